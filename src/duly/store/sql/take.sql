-- Begins one attempt of an occurrence that is queued for it, where nothing stands in its way:
-- its handler is known, it is not too late, and it may overlap with others of its event.
-- Index: primary key, of each partition where there are some: a message names no due instant.
-- Locks: the row.
WITH began AS (
    UPDATE duly_occurrence
    SET status = 'running', attempt = attempt + 1, wake_at = %(lease_until)s,
        holder = %(holder)s, started_at = %(now)s, reason = ''
    WHERE id = %(id)s AND status = 'queued' AND attempt = %(attempt)s - 1
      AND event_type = ANY(%(event_types)s::text[])
      AND (expires_at IS NULL OR expires_at >= %(now)s)
      AND coalesce(handling ->> 'overlap', 'allow_all') = 'allow_all'
    RETURNING *
), told AS (
    INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
    SELECT %(now)s, event_id, id, 'started', attempt, 'engine',
           jsonb_build_object('holder', %(holder)s::uuid)
    FROM began
)
SELECT c.id, c.event_id, c.event_type, c.service, e.key, e.entity_type, e.entity_id, c.payload,
       c.due_at, c.wall_time, c.zone, e.user_timezone, e.resource_timezone, c.attempt - 1,
       c.forgiven, c.handling::text, c.expires_at, c.due_at
FROM began c JOIN duly_scheduledevent e ON e.id = c.event_id
