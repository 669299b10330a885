-- What the operator asks of one open trade: which, how much of it is closed in percent (null: all), where its stop goes.
ALTER TABLE operator_commands ADD COLUMN trade TEXT NOT NULL DEFAULT '';
ALTER TABLE operator_commands ADD COLUMN share_pct TEXT;
ALTER TABLE operator_commands ADD COLUMN price TEXT;
