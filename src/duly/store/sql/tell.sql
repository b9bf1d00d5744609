-- Adds facts to the ledger, in the order given.
-- Index: none is looked into. Locks: none.
INSERT INTO duly_ledgerentry (at, event_id, occurrence_id, fact, attempt, actor, data)
SELECT %(now)s, g.event_id, g.occurrence_id, g.fact, g.attempt, 'engine', g.data
FROM unnest(
    %(event_ids)s::uuid[], %(occurrence_ids)s::uuid[], %(facts)s::text[], %(attempts)s::int[],
    %(datas)s::jsonb[]
) AS g (event_id, occurrence_id, fact, attempt, data)
