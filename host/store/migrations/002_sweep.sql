-- Sweeps: the progress of each stream's sweep, and the known records that its present round has seen. The next round
-- overwrites the marks; they are never deleted.
CREATE TABLE sweep (
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (system, object)
);
CREATE TABLE swept (record INTEGER PRIMARY KEY, round INTEGER NOT NULL);
