-- The contract rules that a run went by: a list of objects, one a symbol. Of older runs they are not known.
ALTER TABLE runs ADD COLUMN rules_json TEXT NOT NULL DEFAULT '[]';
