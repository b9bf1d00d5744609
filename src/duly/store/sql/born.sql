-- Counts the occurrences born in each of some spans, up to `most` in each.
-- An identifier says when its row was made: `ids` are the first of each span, and of what follows.
-- Index: the primary key, one range for each span. Locks: none.
WITH spans AS (
    SELECT n, low, lead(low) OVER (ORDER BY n) AS high
    FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS given (low, n)
)
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT
            FROM duly_occurrence
            WHERE id >= spans.low AND id < spans.high
            ORDER BY id
            LIMIT %(most)s
        ) AS counted
    )
FROM spans
WHERE high IS NOT NULL
ORDER BY n
