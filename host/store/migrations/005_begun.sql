-- Entities whose first sync a person has approved, and how many of the creations in its plan are still to be made. What
-- was linked before there was such a question counts as approved.
CREATE TABLE begun (entity TEXT PRIMARY KEY, covered INTEGER NOT NULL);
INSERT INTO begun (entity, covered) SELECT DISTINCT entity, 0 FROM link;
