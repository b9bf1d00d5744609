-- Inserts the occurrence of each locked event and moves the event on; what begins is born
-- running, its first attempt with it.
-- One occurrence per (event, due_at), whatever happens: where there is one already it is
-- taken up again if it was cancelled before it ever began, else it is not among those given.
-- What they are is told by tell.sql: joined to each other, the parts of a statement are gone
-- through once for each of their rows.
-- Index: primary keys, duly_occurrence_unique. Locks: the events are locked already.
WITH given AS (
    SELECT *
    FROM unnest(
        %(event_ids)s::uuid[], %(occurrence_ids)s::uuid[], %(next_ats)s::timestamptz[],
        %(next_wall_times)s::text[], %(next_resolutions)s::text[], %(fingerprints)s::text[],
        %(statuses)s::text[], %(reasons)s::text[], %(expires_ats)s::timestamptz[],
        %(begins)s::bool[]
    ) AS g (event_id, occurrence_id, next_at, next_wall_time, next_resolution, fingerprint,
            status, reason, expires_at, begins)
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
)
SELECT event_id, id FROM born
