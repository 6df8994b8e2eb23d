-- The first layout. Bodies stand in rowid tables, because tables WITHOUT ROWID were measured 7 to 12 times slower.

-- One row: the identity that makes the intents of this store unique among all stores of the world, and the time when the
-- store was found to be put back from a backup or a copy, until everything has been read again.
CREATE TABLE store (identity TEXT NOT NULL, restored_ms INTEGER);
INSERT INTO store (identity) VALUES (lower(hex(randomblob(16))));

-- The openings in which creates were planned.
CREATE TABLE epoch (name TEXT PRIMARY KEY);

-- The account that each system belongs to.
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
    -- The link that this one was united with.
    successor INTEGER,
    version INTEGER NOT NULL,
    truth TEXT NOT NULL,
    -- Failed writes; the time of the newest listed one, ms, and the number of listed ones.
    failures TEXT,
    failing_ms INTEGER,
    failing INTEGER NOT NULL,
    restored INTEGER NOT NULL
);
CREATE INDEX link_by_entity ON link (entity, status);
CREATE INDEX link_by_failing ON link (failing_ms, failing) WHERE failing_ms IS NOT NULL;

-- Links that need a plan. A table of its own, so that a mark does not rewrite the link's body.
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
    -- The task of the linking step, if it has one.
    work TEXT,
    fields TEXT NOT NULL,
    raw TEXT NOT NULL,
    -- Unreadable cells; otherwise as of a link.
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

-- Plugin, version and digest in one text: long, and the same on thousands of lines of the journal.
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
