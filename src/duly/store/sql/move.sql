-- Moves locked events on without giving birth to anything.
-- Index: primary key. Locks: the events are locked already.
WITH given AS (
    SELECT *
    FROM unnest(
        %(event_ids)s::uuid[], %(next_ats)s::timestamptz[], %(next_wall_times)s::text[],
        %(next_resolutions)s::text[], %(fingerprints)s::text[], %(statuses)s::text[],
        %(reasons)s::text[]
    ) AS g (event_id, next_at, next_wall_time, next_resolution, fingerprint, status, reason)
)
UPDATE duly_scheduledevent e
SET next_at = g.next_at, next_wall_time = g.next_wall_time,
    next_resolution = g.next_resolution, tzdata_fingerprint = g.fingerprint,
    status = g.status, reason = g.reason, updated_at = %(now)s
FROM given g
WHERE e.id = g.event_id
RETURNING e.id
