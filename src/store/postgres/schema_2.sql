-- From form 1 to form 2: when a session was opened, so that its owner finds it in a list. Of those that are there already only the
-- last call is known.

ALTER TABLE oap.sessions ADD COLUMN opened bigint;
UPDATE oap.sessions SET opened = touched;
ALTER TABLE oap.sessions ALTER COLUMN opened SET NOT NULL;
CREATE INDEX sessions_owned ON oap.sessions (owner, opened, id COLLATE "C");

CREATE OR REPLACE FUNCTION oap.begin_session(
    p_id text, p_owner bytea, p_at bigint, p_digest text, p_document bytea, p_row bytea,
    a_scope text, a_fingerprint text, a_at bigint, a_body bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM oap.keep_document(p_digest, p_document);
    INSERT INTO oap.sessions (id, owner, touched, opened, digest, last, in_flight)
        VALUES (p_id, p_owner, p_at, p_at, p_digest, 1, false) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT oap.keep_answer(a_scope, a_fingerprint, a_at, a_body) THEN
        DELETE FROM oap.sessions WHERE id = p_id;
        RETURN false;
    END IF;
    INSERT INTO oap.session_rows VALUES (p_id, 1, p_row);
    RETURN true;
END $$;

UPDATE oap.counters SET number = 2 WHERE name = 'form';
