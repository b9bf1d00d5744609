-- Moves locked events to where other zone data puts them.
-- Index: primary key. Locks: the events are locked already.
WITH given AS (
    SELECT *
    FROM unnest(
        %(ids)s::uuid[], %(next_ats)s::timestamptz[], %(next_wall_times)s::text[],
        %(next_resolutions)s::text[], %(fingerprints)s::text[], %(statuses)s::text[],
        %(reasons)s::text[], %(updated_ats)s::timestamptz[]
    ) AS g (id, next_at, next_wall_time, next_resolution, fingerprint, status, reason, updated_at)
)
UPDATE duly_scheduledevent e
SET next_at = g.next_at, next_wall_time = g.next_wall_time,
    next_resolution = g.next_resolution, tzdata_fingerprint = g.fingerprint,
    status = g.status, reason = g.reason, updated_at = g.updated_at
FROM given g
WHERE e.id = g.id
RETURNING e.id
