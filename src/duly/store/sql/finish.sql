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
    SELECT g.*, o.id IS NOT NULL AS holds
    FROM given g LEFT JOIN LATERAL (
        SELECT id
        FROM duly_occurrence
        WHERE id = g.id AND due_at = g.due_at AND status = 'running' AND attempt = g.attempt
        FOR UPDATE
    ) AS o ON true
), written AS (
    UPDATE duly_occurrence o
    SET status = h.status, wake_at = h.wake_at, holder = NULL, error = h.error,
        forgiven = o.forgiven + h.forgiven,
        finished_at = CASE WHEN h.wake_at IS NULL THEN %(now)s::timestamptz END
    FROM held h
    WHERE h.holds AND o.id = h.id AND o.due_at = h.due_at
    RETURNING o.id
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
    SELECT %(now)s, event_id, id, CASE WHEN holds THEN fact ELSE 'fenced' END, attempt, 'engine',
           CASE WHEN holds THEN data ELSE jsonb_build_object('outcome', fact) END
    FROM held
)
SELECT id FROM written
