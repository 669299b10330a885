-- The label of why a run cannot be believed, empty where no fault of its code was found.
ALTER TABLE runs ADD COLUMN fault TEXT NOT NULL DEFAULT '';
