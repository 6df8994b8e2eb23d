-- What is not certain of a record, only while it lasts: a write that no reading has confirmed, a reading that was older
-- than what is known. Found by what is due of a stream.
CREATE TABLE doubt (
    record INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    object TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX doubt_by_due ON doubt (system, object, due_ms);

-- How old the rows of a stream's last page may have been.
ALTER TABLE cursor ADD COLUMN lag_ms INTEGER;
