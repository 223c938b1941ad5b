-- The ledger of signed statements in PostgreSQL 13 or later. Run once in a database of its own,
-- as a role that may create roles:
--
--   psql --set ON_ERROR_STOP=1 --dbname ledger --file ledger.sql
--   psql --dbname ledger --command "CREATE ROLE desk_1 LOGIN IN ROLE torghut_runner"
--
-- Then give desk_1 a password (\password) and the machine that runs torghut
-- TORGHUT_LEDGER_URL=postgresql://desk_1:…@host/ledger. Nobody logs in as torghut_ledger_owner.
--
-- Who only looks (auditors, dashboards) gets a role in torghut_viewer, which may SELECT:
--
--   psql --dbname ledger --command "CREATE ROLE auditor_1 LOGIN IN ROLE torghut_viewer"
--
-- Append-only twice over: torghut_runner may SELECT and INSERT and nothing else, and triggers
-- refuse everything else to everybody, its owner included, in every session.

BEGIN;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'torghut_ledger_owner') THEN
        CREATE ROLE torghut_ledger_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'torghut_runner') THEN
        CREATE ROLE torghut_runner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'torghut_viewer') THEN
        CREATE ROLE torghut_viewer NOLOGIN;
    END IF;
END
$$;

CREATE SCHEMA torghut_ledger;

CREATE TABLE torghut_ledger.entries (
    sequence bigint PRIMARY KEY CHECK (sequence >= 1),
    leaf_hash text NOT NULL UNIQUE CHECK (leaf_hash ~ '^[0-9a-f]{64}$'),
    payload bytea NOT NULL
);

CREATE TABLE torghut_ledger.heads (
    tree_size bigint PRIMARY KEY REFERENCES torghut_ledger.entries (sequence),
    payload bytea NOT NULL
);

CREATE FUNCTION torghut_ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only';
END
$$;

CREATE FUNCTION torghut_ledger.require_next() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM torghut_ledger.entries) THEN
        RAISE EXCEPTION 'the ledger is gapless';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER entries_keep BEFORE UPDATE OR DELETE ON torghut_ledger.entries
    FOR EACH ROW EXECUTE FUNCTION torghut_ledger.refuse_change();
CREATE TRIGGER entries_stay BEFORE TRUNCATE ON torghut_ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION torghut_ledger.refuse_change();
CREATE TRIGGER entries_gapless BEFORE INSERT ON torghut_ledger.entries
    FOR EACH ROW EXECUTE FUNCTION torghut_ledger.require_next();
CREATE TRIGGER heads_keep BEFORE UPDATE OR DELETE ON torghut_ledger.heads
    FOR EACH ROW EXECUTE FUNCTION torghut_ledger.refuse_change();
CREATE TRIGGER heads_stay BEFORE TRUNCATE ON torghut_ledger.heads
    FOR EACH STATEMENT EXECUTE FUNCTION torghut_ledger.refuse_change();

ALTER TABLE torghut_ledger.entries ENABLE ALWAYS TRIGGER entries_keep;
ALTER TABLE torghut_ledger.entries ENABLE ALWAYS TRIGGER entries_stay;
ALTER TABLE torghut_ledger.entries ENABLE ALWAYS TRIGGER entries_gapless;
ALTER TABLE torghut_ledger.heads ENABLE ALWAYS TRIGGER heads_keep;
ALTER TABLE torghut_ledger.heads ENABLE ALWAYS TRIGGER heads_stay;

ALTER TABLE torghut_ledger.entries OWNER TO torghut_ledger_owner;
ALTER TABLE torghut_ledger.heads OWNER TO torghut_ledger_owner;
ALTER FUNCTION torghut_ledger.refuse_change() OWNER TO torghut_ledger_owner;
ALTER FUNCTION torghut_ledger.require_next() OWNER TO torghut_ledger_owner;
ALTER SCHEMA torghut_ledger OWNER TO torghut_ledger_owner;

REVOKE ALL ON SCHEMA torghut_ledger FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA torghut_ledger FROM PUBLIC;
GRANT USAGE ON SCHEMA torghut_ledger TO torghut_runner, torghut_viewer;
GRANT SELECT ON torghut_ledger.entries, torghut_ledger.heads TO torghut_viewer;
GRANT SELECT, INSERT ON torghut_ledger.entries, torghut_ledger.heads TO torghut_runner;

COMMIT;
