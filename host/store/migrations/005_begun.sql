-- Entities whose first sync a person has approved, and the creations that the approval still covers. Entities with links
-- from before this step count as approved.
CREATE TABLE begun (entity TEXT PRIMARY KEY, covered INTEGER NOT NULL);
INSERT INTO begun (entity, covered) SELECT DISTINCT entity, 0 FROM link;
