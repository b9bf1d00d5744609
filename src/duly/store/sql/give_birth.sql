-- Inserts the occurrence of each locked event, moves the event on, and tells the ledger; what
-- begins is born running, its first attempt with it.
-- One occurrence per (event, due_at), whatever happens: where there is one already it is
-- taken up again if it was cancelled before it ever began, else the ledger says `skipped`.
-- Index: primary keys, duly_occurrence_unique. Locks: the events are locked already.
WITH given AS (
    SELECT *
    FROM unnest(
        %(event_ids)s::uuid[], %(occurrence_ids)s::uuid[], %(next_ats)s::timestamptz[],
        %(next_wall_times)s::text[], %(next_resolutions)s::text[], %(fingerprints)s::text[],
        %(statuses)s::text[], %(reasons)s::text[], %(datas)s::jsonb[],
        %(expires_ats)s::timestamptz[], %(begins)s::bool[]
    ) WITH ORDINALITY
        AS g (event_id, occurrence_id, next_at, next_wall_time, next_resolution, fingerprint,
              status, reason, data, expires_at, begins, place)
), born AS (
    INSERT INTO duly_occurrence
        (id, event_id, service, event_type, payload, handling, due_at, wall_time, zone,
         resolution, status, attempt, forgiven, wake_at, expires_at, holder, started_at, reason,
         error, created_at)
    SELECT g.occurrence_id, e.id, e.service, e.event_type, e.payload, e.handling, e.next_at,
           e.next_wall_time, e.execution_timezone, e.next_resolution,
           CASE WHEN g.begins THEN 'running' ELSE 'queued' END, g.begins::int, 0,
           %(lease_until)s, g.expires_at, %(holder)s,
           CASE WHEN g.begins THEN %(now)s::timestamptz END, '', '', %(now)s
    FROM given g JOIN duly_scheduledevent e ON e.id = g.event_id
    ON CONFLICT (event_id, due_at) DO UPDATE
    SET status = excluded.status, attempt = excluded.attempt, started_at = excluded.started_at,
        wake_at = excluded.wake_at, holder = excluded.holder, reason = '',
        finished_at = NULL, service = excluded.service, event_type = excluded.event_type,
        payload = excluded.payload, handling = excluded.handling,
        expires_at = excluded.expires_at
    WHERE duly_occurrence.status = 'cancelled' AND duly_occurrence.attempt = 0
    RETURNING id, event_id
), moved AS (
    UPDATE duly_scheduledevent e
    SET next_at = g.next_at, next_wall_time = g.next_wall_time,
        next_resolution = g.next_resolution, tzdata_fingerprint = g.fingerprint,
        status = g.status, reason = g.reason, updated_at = %(now)s
    FROM given g
    WHERE e.id = g.event_id
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
    SELECT %(now)s, g.event_id, b.id,
           CASE WHEN b.id IS NULL THEN 'skipped' ELSE f.fact END, f.attempt, 'engine',
           CASE WHEN f.attempt IS NOT NULL THEN NULL
                WHEN b.id IS NULL THEN g.data || '{"reason": "this instant has fired"}'
                ELSE g.data END
    FROM given g LEFT JOIN born b ON b.event_id = g.event_id
    CROSS JOIN (VALUES ('due', NULL), ('started', 1)) AS f (fact, attempt)
    WHERE f.attempt IS NULL OR (g.begins AND b.id IS NOT NULL)
    -- An attempt starts after its occurrence came due, in the ledger's order too.
    ORDER BY g.place, f.attempt NULLS FIRST
)
SELECT event_id, id FROM born
