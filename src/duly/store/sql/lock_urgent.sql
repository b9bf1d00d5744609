-- As lock_due.sql, of those alone that have a priority.
-- Index: duly_event_urgent. Locks: the rows it gives; passes over those of others.
SELECT id, rule::text, next_at, next_wall_time, event_type, service, key, entity_type, entity_id,
       payload, execution_timezone, user_timezone, resource_timezone, handling::text,
       exceptions::text
FROM duly_scheduledevent
WHERE next_at >= %(since)s::timestamptz AND next_at <= %(until)s::timestamptz
  AND (event_type <> ALL (%(types)s::text[]) OR service = ANY (%(elsewhere)s::text[]))
  AND service <> ALL (%(services)s::text[])
  AND next_at IS NOT NULL AND handling ? 'priority'
ORDER BY next_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
