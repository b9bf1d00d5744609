-- Says how it went with the occurrences born in each of some spans: how many succeeded and died,
-- and how many seconds late they began, by quantile. Each span is `slices` neighbours of `ids`,
-- and of each slice no more than `most` are looked at.
-- Where an attempt was not the first, when it was born stands for when it first began.
-- Index: the primary key, one range for each slice. Locks: none.
WITH slices AS (
    SELECT (n - 1) / %(slices)s::int AS span, low, lead(low) OVER (ORDER BY n) AS high
    FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS given (low, n)
)
SELECT
    span::int,
    count(*),
    count(*) FILTER (WHERE status = 'succeeded'),
    count(*) FILTER (WHERE status = 'dead'),
    percentile_disc(%(shares)s::float[]) WITHIN GROUP (ORDER BY late)
FROM slices CROSS JOIN LATERAL (
    SELECT
        status,
        -- Not extract(), whose numbers are exact, and twice as slow.
        date_part('epoch', greatest(
            CASE
                WHEN attempt = 1 THEN started_at - due_at
                WHEN attempt > 1 THEN created_at - due_at
            END,
            CASE WHEN attempt > 1 THEN interval '0' END
        )) AS late
    FROM duly_occurrence
    WHERE id >= slices.low AND id < slices.high
    ORDER BY id
    LIMIT %(most)s
) AS looked_at
WHERE high IS NOT NULL
GROUP BY span
ORDER BY span
