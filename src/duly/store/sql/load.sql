-- Counts the events due in each of some spans of equal length, up to `most` in each.
-- Index: duly_event_next_at, one range for each span. Locks: none.
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT
            FROM duly_scheduledevent
            WHERE next_at >= %(start)s::timestamptz + n * %(step)s::interval
              AND next_at < %(start)s::timestamptz + (n + 1) * %(step)s::interval
            ORDER BY next_at
            LIMIT %(most)s
        ) AS counted
    )
FROM generate_series(0, %(spans)s::int - 1) AS n
ORDER BY n
