-- Writes what occurrences are to keep beside their policies, such as the trace of their last
-- attempt; the transaction that calls it has just written these rows.
-- Index: primary key; the due instant says in which partition, where there are some.
-- Locks: the rows are locked already.
WITH given AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(due_ats)s::timestamptz[], %(handlings)s::jsonb[])
        AS g (id, due_at, handling)
)
UPDATE duly_occurrence o
SET handling = g.handling
FROM given g
WHERE o.id = g.id AND o.due_at = g.due_at
RETURNING o.id
