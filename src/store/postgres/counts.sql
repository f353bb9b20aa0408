-- Counts that replicas share: each is replaced only by who has seen it. Part of form 2.

CREATE TABLE oap.counts (
    scope text PRIMARY KEY,
    ends bigint NOT NULL,
    body bytea NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX counts_ends ON oap.counts (ends);

-- Keeps a count in the place of the one with this body, or of none; whether it was there.
CREATE FUNCTION oap.recount(p_scope text, p_before bytea, p_after bytea, p_ends bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_before IS NULL THEN
        INSERT INTO oap.counts (scope, ends, body) VALUES (p_scope, p_ends, p_after) ON CONFLICT DO NOTHING;
    ELSE
        UPDATE oap.counts SET ends = p_ends, body = p_after WHERE scope = p_scope AND body = p_before;
    END IF;
    RETURN FOUND;
END $$;
