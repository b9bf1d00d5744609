-- Hands out again what waits for a retry by `until`, or whose hand-out lapsed by `now`; looks
-- from `since` on; some services are passed over.
-- Index: duly_occurrence_wake_at. Locks: the rows it takes; passes over those of others.
WITH ready AS (
    SELECT id, status, wake_at
    FROM duly_occurrence
    WHERE wake_at >= %(since)s::timestamptz AND wake_at <= %(until)s::timestamptz
      AND (status = 'pending' OR (status = 'queued' AND wake_at <= %(now)s::timestamptz))
      AND service <> ALL (%(services)s::text[])
    ORDER BY wake_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE duly_occurrence o
    SET status = 'queued', wake_at = %(lease_until)s, holder = %(holder)s
    FROM ready r
    WHERE o.id = r.id
    RETURNING o.*, r.status AS old_status, r.wake_at AS old_wake_at
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, actor, data)
    SELECT %(now)s, c.event_id, c.id, 'claimed', 'engine',
           jsonb_build_object('from', c.old_status)
    FROM claimed c
)
SELECT c.id, c.event_id, c.event_type, c.service, e.key, e.entity_type, e.entity_id, c.payload,
       c.due_at, c.wall_time, c.zone, e.user_timezone, e.resource_timezone, c.attempt,
       c.forgiven, c.handling::text, c.expires_at,
       CASE WHEN c.old_status = 'pending' THEN c.old_wake_at ELSE c.due_at END
FROM claimed c JOIN duly_scheduledevent e ON e.id = c.event_id
ORDER BY c.old_wake_at
