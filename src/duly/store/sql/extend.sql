-- Extends the leases that `holder` still has; gives the ids of those.
-- Index: primary key. Locks: the rows, in the order of their ids.
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(attempts)s::int[]) AS g (id, attempt)
), held AS (
    SELECT o.id
    FROM duly_occurrence o JOIN given g ON g.id = o.id
    WHERE o.status IN ('queued', 'running') AND o.attempt = g.attempt AND o.holder = %(holder)s
    ORDER BY o.id
    FOR UPDATE OF o
)
UPDATE duly_occurrence o
SET wake_at = %(lease_until)s
FROM held h
WHERE o.id = h.id
RETURNING o.id
