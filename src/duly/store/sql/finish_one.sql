-- Writes the outcome of one attempt that still runs under its number, and tells the ledger; where
-- it does not, that it was fenced. What finish.sql does for many.
-- Index: primary key; the due instant says in which partition, where there are some.
-- Locks: the row.
WITH written AS (
    UPDATE duly_occurrence
    SET status = %(status)s, wake_at = %(wake_at)s, holder = NULL, error = %(error)s,
        forgiven = forgiven + %(forgiven)s,
        finished_at = CASE WHEN %(wake_at)s::timestamptz IS NULL THEN %(now)s::timestamptz END
    WHERE id = %(id)s AND due_at = %(due_at)s AND status = 'running' AND attempt = %(attempt)s
    RETURNING id
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
    SELECT %(now)s, %(event_id)s, %(id)s,
           CASE WHEN EXISTS (SELECT FROM written) THEN %(fact)s ELSE 'fenced' END,
           %(attempt)s, 'engine',
           CASE WHEN EXISTS (SELECT FROM written) THEN %(data)s::jsonb
                ELSE jsonb_build_object('outcome', %(fact)s::text) END
)
SELECT id FROM written
