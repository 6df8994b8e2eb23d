-- Doubts about records, only while they last: a write that no reading has confirmed, a reading that was older than the
-- stored state, or a cell without an answer. The index finds the due ones of a stream.
CREATE TABLE doubt (
    record INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX doubt_by_due ON doubt (system, object, due_ms);

-- The age that the rows of a stream's last page may have, ms.
ALTER TABLE cursor ADD COLUMN lag_ms INTEGER;
