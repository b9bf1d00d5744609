-- The zones of scheduled events, each with the fingerprint of the data they were derived with.
-- Index: duly_event_zone, one step for each pair, however many events there are. Locks: none.
WITH RECURSIVE pairs AS (
    (
        SELECT execution_timezone, tzdata_fingerprint
        FROM duly_scheduledevent
        WHERE next_at IS NOT NULL
        ORDER BY execution_timezone, tzdata_fingerprint
        LIMIT 1
    )
    UNION ALL
    SELECT following.execution_timezone, following.tzdata_fingerprint
    FROM pairs, LATERAL (
        SELECT e.execution_timezone, e.tzdata_fingerprint
        FROM duly_scheduledevent e
        WHERE e.next_at IS NOT NULL
          AND (e.execution_timezone, e.tzdata_fingerprint)
              > (pairs.execution_timezone, pairs.tzdata_fingerprint)
        ORDER BY e.execution_timezone, e.tzdata_fingerprint
        LIMIT 1
    ) AS following
)
SELECT execution_timezone, tzdata_fingerprint FROM pairs
