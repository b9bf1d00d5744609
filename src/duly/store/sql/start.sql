-- Begins the next attempt of each occurrence that is still queued at the attempt given.
-- Index: primary key; the due instant says in which partition, where there are some.
-- Locks: the rows, in the order of their ids, so that no two batches can wait for each other.
-- The lateral look is one step into the index for each, however the planner sees the table:
-- where nothing ran when statistics were taken, it would read it all (a locking sub-select is
-- not pulled up).
WITH given AS (
    SELECT *
    FROM unnest(%(ids)s::uuid[], %(due_ats)s::timestamptz[], %(attempts)s::int[])
        AS g (id, due_at, attempt)
    ORDER BY id
), held AS (
    SELECT g.id, g.due_at
    FROM given g CROSS JOIN LATERAL (
        SELECT id
        FROM duly_occurrence
        WHERE id = g.id AND due_at = g.due_at AND status = 'queued' AND attempt = g.attempt
        FOR UPDATE
    ) AS o
), began AS (
    UPDATE duly_occurrence o
    SET status = 'running', attempt = o.attempt + 1, wake_at = %(lease_until)s,
        holder = %(holder)s, started_at = %(now)s, reason = ''
    FROM held h
    WHERE o.id = h.id AND o.due_at = h.due_at
    RETURNING o.id, o.event_id, o.attempt
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
    SELECT %(now)s, event_id, id, 'started', attempt, 'engine',
           jsonb_build_object('holder', %(holder)s::uuid)
    FROM began
)
SELECT id FROM began
