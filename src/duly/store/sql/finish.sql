-- Writes the outcome of every attempt that still runs under its number; tells the ledger of
-- each, and of the others that they were fenced.
-- Index: primary key; the due instant says in which partition, where there are some.
-- Locks: the rows, in the order of their ids.
-- The lateral look: see start.sql.
WITH given AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(event_ids)s::uuid[], %(attempts)s::int[], %(statuses)s::text[],
        %(wake_ats)s::timestamptz[], %(errors)s::text[], %(facts)s::text[], %(datas)s::jsonb[],
        %(forgiven)s::int[], %(due_ats)s::timestamptz[]
    ) AS g (id, event_id, attempt, status, wake_at, error, fact, data, forgiven, due_at)
    ORDER BY id
), held AS (
    SELECT g.id, g.attempt
    FROM given g CROSS JOIN LATERAL (
        SELECT id
        FROM duly_occurrence
        WHERE id = g.id AND due_at = g.due_at AND status = 'running' AND attempt = g.attempt
        FOR UPDATE
    ) AS o
), written AS (
    UPDATE duly_occurrence o
    SET status = g.status, wake_at = g.wake_at, holder = NULL, error = g.error,
        forgiven = o.forgiven + g.forgiven,
        finished_at = CASE WHEN g.wake_at IS NULL THEN %(now)s::timestamptz END
    FROM given g JOIN held h ON h.id = g.id AND h.attempt = g.attempt
    WHERE o.id = g.id AND o.due_at = g.due_at
    RETURNING o.id, o.attempt
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
    SELECT %(now)s, g.event_id, g.id,
           CASE WHEN w.id IS NULL THEN 'fenced' ELSE g.fact END, g.attempt, 'engine',
           CASE WHEN w.id IS NULL THEN jsonb_build_object('outcome', g.fact) ELSE g.data END
    FROM given g LEFT JOIN written w ON w.id = g.id AND w.attempt = g.attempt
)
SELECT id FROM written
