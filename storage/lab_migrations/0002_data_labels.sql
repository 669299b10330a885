-- Warnings of what the data of a run lack, a list of texts.
ALTER TABLE runs ADD COLUMN data_labels_json TEXT NOT NULL DEFAULT '[]';
