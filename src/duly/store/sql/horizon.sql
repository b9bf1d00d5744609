-- The next event and the next occurrence to look at, each from its instant on.
-- Index: duly_event_next_at, duly_occurrence_wake_at (each its first entry). Locks: none.
SELECT
    (SELECT min(next_at) FROM duly_scheduledevent WHERE next_at >= %(events_since)s::timestamptz),
    (SELECT min(wake_at) FROM duly_occurrence
     WHERE wake_at >= %(occurrences_since)s::timestamptz)
