-- Writes what occurrences are to keep beside their policies, such as the trace of their last
-- attempt; the transaction that calls it has just written these rows.
-- Index: primary key; the due instant says in which partition, where there are some.
-- Locks: the rows are locked already.
-- The lateral look: see start.sql.
WITH given AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(due_ats)s::timestamptz[], %(handlings)s::jsonb[])
        AS g (id, due_at, handling)
    ORDER BY id
), held AS (
    SELECT g.id, g.due_at, g.handling
    FROM given g CROSS JOIN LATERAL (
        SELECT id FROM duly_occurrence WHERE id = g.id AND due_at = g.due_at FOR UPDATE
    ) AS o
)
UPDATE duly_occurrence o
SET handling = h.handling
FROM held h
WHERE o.id = h.id AND o.due_at = h.due_at
RETURNING o.id
