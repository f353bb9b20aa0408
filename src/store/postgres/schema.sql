-- Form 2 of what the ledger keeps. Texts are kept as bytes, so that no encoding of a database changes or refuses one; read them
-- with convert_from(body, 'UTF8'). Times are microseconds since 1970, as the replicas gave them; leases alone go by the clock
-- of the database.

CREATE TABLE oap.counters (
    name text PRIMARY KEY,
    number bigint NOT NULL
);

CREATE TABLE oap.documents (
    digest text PRIMARY KEY,
    body bytea NOT NULL
);

CREATE TABLE oap.manifests (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name bytea NOT NULL,
    version bytea NOT NULL,
    digest text NOT NULL REFERENCES oap.documents,
    UNIQUE (name, version)
);

CREATE TABLE oap.sessions (
    id text PRIMARY KEY,
    owner bytea NOT NULL,
    touched bigint NOT NULL,
    opened bigint NOT NULL,
    digest text NOT NULL REFERENCES oap.documents,
    last bigint NOT NULL,
    in_flight boolean NOT NULL,
    holder text,
    turn bigint,
    lease_until timestamptz
) WITH (fillfactor = 70);

CREATE INDEX sessions_touched ON oap.sessions (touched);
CREATE INDEX sessions_owned ON oap.sessions (owner, opened, id COLLATE "C");
CREATE INDEX sessions_in_flight ON oap.sessions (id) WHERE in_flight;
CREATE INDEX sessions_digest ON oap.sessions (digest);

CREATE TABLE oap.session_rows (
    session text NOT NULL,
    number bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (session, number)
);

CREATE TABLE oap.transcripts (
    id text PRIMARY KEY,
    owner bytea NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL
);

CREATE INDEX transcripts_at ON oap.transcripts (at);

CREATE TABLE oap.answers (
    scope text PRIMARY KEY,
    fingerprint text NOT NULL,
    at bigint NOT NULL,
    body bytea NOT NULL
);

CREATE INDEX answers_at ON oap.answers (at);

INSERT INTO oap.counters VALUES ('form', 2), ('revision', 0);

-- Each function below says no by what it returns and has changed nothing then, so that the others in its transaction are not
-- concerned.

CREATE FUNCTION oap.keep_document(p_digest text, p_body bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        -- Whoever prunes passes over a document that is locked like this.
        PERFORM 1 FROM oap.documents WHERE digest = p_digest FOR KEY SHARE;
        EXIT WHEN FOUND;
        INSERT INTO oap.documents VALUES (p_digest, p_body) ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;
END $$;

-- Whether the answer was kept; none is kept at once.
CREATE FUNCTION oap.keep_answer(p_scope text, p_fingerprint text, p_at bigint, p_body bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_scope IS NULL THEN
        RETURN true;
    END IF;
    INSERT INTO oap.answers VALUES (p_scope, p_fingerprint, p_at, p_body) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;

CREATE FUNCTION oap.begin_session(
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

-- Only for the holder in its turn, and only after the row it names.
CREATE FUNCTION oap.add_rows(
    p_id text, p_holder text, p_turn bigint, p_after bigint, p_rows bytea[], p_at bigint, p_in_flight boolean,
    p_transcript bytea, a_scope text, a_fingerprint text, a_at bigint, a_body bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    known record;
BEGIN
    SELECT owner, last, holder, turn INTO known FROM oap.sessions WHERE id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND OR known.last <> p_after
        OR known.holder IS DISTINCT FROM p_holder OR known.turn IS DISTINCT FROM p_turn THEN
        RETURN false;
    END IF;
    IF p_transcript IS NOT NULL THEN
        INSERT INTO oap.transcripts VALUES (p_id, known.owner, p_at, p_transcript)
            ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, at = excluded.at, body = excluded.body;
        DELETE FROM oap.session_rows WHERE session = p_id;
        DELETE FROM oap.sessions WHERE id = p_id;
    ELSE
        INSERT INTO oap.session_rows
            SELECT p_id, p_after + more.number, more.body
            FROM unnest(p_rows) WITH ORDINALITY AS more (body, number);
        UPDATE oap.sessions
            SET last = p_after + cardinality(p_rows), touched = p_at, in_flight = p_in_flight
            WHERE id = p_id;
    END IF;
    -- An answer that is there already belongs to the same call, made once more after its process died.
    IF a_scope IS NOT NULL THEN
        INSERT INTO oap.answers VALUES (a_scope, a_fingerprint, a_at, a_body)
            ON CONFLICT (scope) DO UPDATE
            SET fingerprint = excluded.fingerprint, at = excluded.at, body = excluded.body;
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION oap.touch_session(p_id text, p_at bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE oap.sessions SET touched = p_at WHERE id = p_id AND touched < p_at;
    RETURN true;
END $$;

-- 'new', 'known', 'other', or 'conflict' where the scope has an answer.
CREATE FUNCTION oap.file_manifest(
    p_name bytea, p_version bytea, p_digest text, p_document bytea,
    a_scope text, a_fingerprint text, a_at bigint, a_body bytea
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    known text;
BEGIN
    -- Whoever changes the manifests does so alone, so that revisions and numbers come in the order of the commits.
    PERFORM 1 FROM oap.counters WHERE name = 'revision' FOR UPDATE;
    IF EXISTS (SELECT FROM oap.answers WHERE scope = a_scope) THEN
        RETURN 'conflict';
    END IF;
    SELECT digest INTO known FROM oap.manifests WHERE name = p_name AND version = p_version;
    IF FOUND AND known <> p_digest THEN
        RETURN 'other';
    END IF;
    IF NOT oap.keep_answer(a_scope, a_fingerprint, a_at, a_body) THEN
        RETURN 'conflict';
    END IF;
    IF known IS NOT NULL THEN
        RETURN 'known';
    END IF;
    PERFORM oap.keep_document(p_digest, p_document);
    INSERT INTO oap.manifests (name, version, digest) VALUES (p_name, p_version, p_digest);
    UPDATE oap.counters SET number = number + 1 WHERE name = 'revision';
    RETURN 'new';
END $$;

CREATE FUNCTION oap.remove_manifest(p_name bytea, p_version bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM oap.counters WHERE name = 'revision' FOR UPDATE;
    DELETE FROM oap.manifests WHERE name = p_name AND version = p_version;
    IF NOT FOUND THEN
        RETURN 'absent';
    END IF;
    UPDATE oap.counters SET number = number + 1 WHERE name = 'revision';
    RETURN 'removed';
END $$;

-- Lets go of up to so many answers and transcripts; how many went.
CREATE FUNCTION oap.prune_old(
    answers_before bigint, most_answers bigint, transcripts_before bigint, most_transcripts bigint, most bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
    more bigint;
BEGIN
    -- One replica at a time is enough.
    IF NOT pg_try_advisory_xact_lock(7163018265) THEN
        RETURN 0;
    END IF;
    DELETE FROM oap.answers WHERE scope IN (
        SELECT scope FROM oap.answers WHERE at < answers_before LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM oap.answers WHERE scope IN (
        SELECT scope FROM oap.answers ORDER BY at DESC, scope DESC LIMIT most OFFSET most_answers);
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM oap.transcripts WHERE id IN (
        SELECT id FROM oap.transcripts WHERE at < transcripts_before LIMIT most);
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM oap.transcripts WHERE id IN (
        SELECT id FROM oap.transcripts ORDER BY at DESC, id DESC LIMIT most OFFSET most_transcripts);
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;

-- Lets go of documents that nobody needs. A session that begins meanwhile has locked its document, which is passed over; one
-- that began before the lock was had is seen by the second statement.
CREATE FUNCTION oap.prune_documents() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    unneeded text[];
BEGIN
    SELECT array_agg(digest) INTO unneeded FROM (
        SELECT d.digest FROM oap.documents d
        WHERE NOT EXISTS (SELECT FROM oap.sessions s WHERE s.digest = d.digest)
          AND NOT EXISTS (SELECT FROM oap.manifests m WHERE m.digest = d.digest)
        FOR UPDATE SKIP LOCKED
    ) AS locked;
    DELETE FROM oap.documents d
        WHERE d.digest = ANY (unneeded)
          AND NOT EXISTS (SELECT FROM oap.sessions s WHERE s.digest = d.digest)
          AND NOT EXISTS (SELECT FROM oap.manifests m WHERE m.digest = d.digest);
END $$;
