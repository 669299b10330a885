-- Warnings of what the data of a run lack, a list of texts.
ALTER TABLE runs ADD COLUMN data_labels_json TEXT NOT NULL DEFAULT '[]';

-- Settlements of funding that fell on a position and are missing in the data, and what was booked for them.
ALTER TABLE runs ADD COLUMN assumed_settlements INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN assumed_usdt REAL NOT NULL DEFAULT 0;
