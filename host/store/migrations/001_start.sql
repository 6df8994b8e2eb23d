-- The first layout. Bodies stand in rowid tables; WITHOUT ROWID was measured 7 to 12 times slower (TRUST.md 4.1).

-- One row: what makes the intents of this store unique among all stores of the world, and since when it is known to be
-- put back from a backup or a copy and not read again yet.
CREATE TABLE store (identity TEXT NOT NULL, restored_ms INTEGER);
INSERT INTO store (identity) VALUES (lower(hex(randomblob(16))));

-- The openings in which creates were planned.
CREATE TABLE epoch (name TEXT PRIMARY KEY);

-- Which account each system is.
CREATE TABLE account (system TEXT PRIMARY KEY, id TEXT NOT NULL);

CREATE TABLE cursor (
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    position BLOB,
    backfilled INTEGER NOT NULL,
    more INTEGER NOT NULL,
    digest TEXT NOT NULL,
    UNIQUE (system, object)
);

CREATE TABLE link (
    number INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    status TEXT NOT NULL,
    -- With which link this one was united.
    successor INTEGER,
    version INTEGER NOT NULL,
    truth TEXT NOT NULL,
    -- What could not be written; when the newest of it failed, ms, and how much of it is listed.
    failures TEXT,
    failing_ms INTEGER,
    failing INTEGER NOT NULL,
    restored INTEGER NOT NULL
);
CREATE INDEX link_by_entity ON link (entity, status);
CREATE INDEX link_by_failing ON link (failing_ms, failing) WHERE failing_ms IS NOT NULL;

-- Links to be planned. A table of its own, so that marking one does not rewrite its body.
CREATE TABLE dirty (link INTEGER PRIMARY KEY, entity TEXT NOT NULL);
CREATE INDEX dirty_by_entity ON dirty (entity, link);

CREATE TABLE wait (link INTEGER NOT NULL, awaited TEXT NOT NULL);
CREATE INDEX wait_by_link ON wait (link);
CREATE INDEX wait_by_awaited ON wait (awaited, link);

CREATE TABLE record (
    number INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    id TEXT NOT NULL,
    entity TEXT NOT NULL,
    link INTEGER,
    version TEXT,
    modified_ms INTEGER,
    status TEXT NOT NULL,
    successor TEXT,
    -- Why the linking step must look at it, if it must.
    work TEXT,
    fields TEXT NOT NULL,
    raw TEXT NOT NULL,
    -- Cells that could not be read; as of a link.
    failures TEXT,
    failing_ms INTEGER,
    failing INTEGER NOT NULL,
    UNIQUE (system, object, id)
);
CREATE INDEX record_by_failing ON record (failing_ms, failing) WHERE failing_ms IS NOT NULL;
CREATE INDEX record_by_link ON record (link) WHERE link IS NOT NULL;
CREATE INDEX record_by_work ON record (entity, work, system, object, id) WHERE work IS NOT NULL;
CREATE INDEX record_by_status ON record (entity, status, system, object);

CREATE TABLE match_key (record INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX match_key_by_record ON match_key (record);
CREATE INDEX match_key_by_value ON match_key (name, value);

CREATE TABLE alias (
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    id TEXT NOT NULL,
    to_system TEXT NOT NULL,
    to_object TEXT NOT NULL,
    to_id TEXT NOT NULL,
    UNIQUE (system, object, id)
);

CREATE TABLE outbox (
    number INTEGER PRIMARY KEY,
    intent TEXT NOT NULL UNIQUE,
    link INTEGER NOT NULL,
    entity TEXT NOT NULL,
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    not_before_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX outbox_by_link ON outbox (link);
CREATE INDEX outbox_by_state ON outbox (state, entity, system);
CREATE INDEX outbox_by_lane ON outbox (state, entity, system, object, action);

CREATE TABLE review (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    link INTEGER,
    status TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX review_by_link ON review (link) WHERE link IS NOT NULL;
CREATE INDEX review_by_status ON review (status, at_ms);

-- Plugin, version and digest are long and the same on thousands of lines.
CREATE TABLE generation (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    entity TEXT NOT NULL,
    link INTEGER,
    system TEXT,
    object TEXT,
    id TEXT,
    field TEXT,
    intent TEXT,
    generation INTEGER,
    reason TEXT NOT NULL
);
CREATE INDEX journal_by_link ON journal (link) WHERE link IS NOT NULL;
CREATE INDEX journal_by_record ON journal (id) WHERE id IS NOT NULL;
