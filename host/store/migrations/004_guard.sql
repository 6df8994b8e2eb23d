-- Counts for the limits of deletions and creations, by the hour.
CREATE TABLE guard (
    entity TEXT NOT NULL,
    hour INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    created INTEGER NOT NULL,
    may_delete INTEGER NOT NULL,
    may_create INTEGER NOT NULL,
    UNIQUE (entity, hour)
);
