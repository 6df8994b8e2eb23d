-- What the values of a stream's fields meant when they were read: a JSON object by the field's name. Nothing is known of
-- streams that were read before.
ALTER TABLE cursor ADD COLUMN meanings TEXT NOT NULL DEFAULT '{}';
