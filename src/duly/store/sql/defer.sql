-- Puts aside the occurrences that are still queued at the attempt given: each waits before a
-- gate, and gives up its lease. The ledger is told of each once for one reason.
-- Index: primary key; the due instant says in which partition, where there are some.
-- Locks: the rows, in the order of their ids.
-- The lateral look: see start.sql.
WITH given AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(due_ats)s::timestamptz[], %(attempts)s::int[],
        %(wake_ats)s::timestamptz[], %(reasons)s::text[]
    ) AS g (id, due_at, attempt, wake_at, reason)
    ORDER BY id
), held AS (
    SELECT g.*, o.event_id, o.before
    FROM given g CROSS JOIN LATERAL (
        SELECT event_id, reason AS before
        FROM duly_occurrence
        WHERE id = g.id AND due_at = g.due_at AND status = 'queued' AND attempt = g.attempt
        FOR UPDATE
    ) AS o
), deferred AS (
    UPDATE duly_occurrence o
    SET status = 'pending', holder = NULL, wake_at = h.wake_at, reason = h.reason
    FROM held h
    WHERE o.id = h.id AND o.due_at = h.due_at
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, actor, data)
    SELECT %(now)s, event_id, id, 'deferred', 'engine', jsonb_build_object('reason', reason)
    FROM held
    WHERE before <> reason
)
SELECT id FROM held
