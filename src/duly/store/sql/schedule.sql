-- Stores one event and tells the ledger, unless another has its (service, key): one row is
-- counted, or none. Both rows or neither, in autocommit as well.
-- Index: duly_event_key_unique. Waits for another transaction that is storing the same key.
WITH stored AS (
    INSERT INTO duly_scheduledevent
        (id, service, event_type, key, entity_type, entity_id, payload, rule,
         execution_timezone, user_timezone, resource_timezone, tzdata_fingerprint,
         on_tzdata_change, exceptions, handling, status, reason, next_at, next_wall_time,
         next_resolution, created_at, updated_at)
    VALUES
        (%(id)s, %(service)s, %(event_type)s, %(key)s, %(entity_type)s, %(entity_id)s,
         %(payload)s, %(rule)s, %(execution_timezone)s, %(user_timezone)s,
         %(resource_timezone)s, %(tzdata_fingerprint)s, %(on_tzdata_change)s,
         %(exceptions)s, %(handling)s, %(status)s, %(reason)s, %(next_at)s,
         %(next_wall_time)s, %(next_resolution)s, %(created_at)s, %(updated_at)s)
    ON CONFLICT (service, key) DO NOTHING
    RETURNING id
)
INSERT INTO duly_ledgerentry (at, event_id, fact, actor, data)
SELECT %(created_at)s::timestamptz, id, 'scheduled', %(actor)s, %(data)s::jsonb
FROM stored
