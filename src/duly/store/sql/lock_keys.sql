-- Locks the events of a service that have one of these keys, in the order of their ids: two
-- callers with the same keys must not wait for each other.
-- Index: duly_event_key_unique. Locks: the events found.
SELECT *
FROM duly_scheduledevent
WHERE service = %(service)s AND key = ANY(%(keys)s::text[])
ORDER BY id
FOR UPDATE
