-- Extends the leases that `holder` still has; gives the ids of those.
-- Index: primary key. Locks: the rows, in the order of their ids.
-- The lateral look: see start.sql.
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS g (id, attempt) ORDER BY id
), held AS (
    SELECT o.id
    FROM given g CROSS JOIN LATERAL (
        SELECT id
        FROM duly_occurrence
        WHERE id = g.id AND status IN ('queued', 'running') AND attempt = g.attempt
          AND holder = %(holder)s
        FOR UPDATE
    ) AS o
)
UPDATE duly_occurrence o
SET wake_at = %(lease_until)s
FROM held h
WHERE o.id = h.id
RETURNING o.id
