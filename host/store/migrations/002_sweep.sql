-- Sweeps: how far each stream's has come, and which known records its present round has seen. Marks are overwritten by
-- the next round and never deleted.
CREATE TABLE sweep (
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (system, object)
);
CREATE TABLE swept (record INTEGER PRIMARY KEY, round INTEGER NOT NULL);
