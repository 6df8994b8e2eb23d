-- The meanings of a stream's fields when their values were read: a JSON object of digests by the field's name. Empty for
-- streams from before this step.
ALTER TABLE cursor ADD COLUMN meanings TEXT NOT NULL DEFAULT '{}';
