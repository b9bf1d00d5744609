-- The events due from `since` to `until`, earliest first, for this transaction alone; those of
-- some types, or services, are passed over.
-- Index: duly_event_next_at. Locks: the rows it gives; passes over those of others.
SELECT id, rule::text, next_at, next_wall_time, event_type, service, key, entity_type, entity_id,
       payload, execution_timezone, user_timezone, resource_timezone, handling::text,
       exceptions::text
FROM duly_scheduledevent
WHERE next_at >= %(since)s::timestamptz AND next_at <= %(until)s::timestamptz
  AND (event_type <> ALL (%(types)s::text[]) OR service = ANY (%(elsewhere)s::text[]))
  AND service <> ALL (%(services)s::text[])
ORDER BY next_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
