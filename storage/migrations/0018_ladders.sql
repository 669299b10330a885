-- An entry may carry several targets, and a trade several orders of one kind.
ALTER TABLE orders ADD COLUMN ladder TEXT NOT NULL DEFAULT '[]'; -- JSON: [[distance in percent, share], ...]
ALTER TABLE orders ADD COLUMN place INTEGER NOT NULL DEFAULT 0;  -- which of its kind it is in its trade
