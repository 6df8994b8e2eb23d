-- The file itself. `lost_ms`: it was damaged, and what was recorded until then is not known. `processes`: the last number
-- that a process was given. `flushes`: commits that only make those before them last.
CREATE TABLE origin (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    lost_ms INTEGER,
    processes INTEGER NOT NULL DEFAULT 0,
    flushes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The calls that the windows of an account remember, as the way out writes them (`host/egress`, `quota/windows.rs`). The
-- first version of a row is random, so that a row that is made anew is never taken for the one before.
CREATE TABLE calls (account TEXT PRIMARY KEY, version INTEGER NOT NULL, windows TEXT NOT NULL) STRICT;
