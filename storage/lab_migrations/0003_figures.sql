-- What the names of figures mean: those of 1 counted parts of days as days, and stretched any record to a year.
ALTER TABLE runs ADD COLUMN meaning INTEGER NOT NULL DEFAULT 1;

DROP INDEX trials_of_strategy;
ALTER TABLE trials DROP COLUMN sharpe;
-- Every trial so far was of bars of a minute.
ALTER TABLE trials ADD COLUMN interval_ms INTEGER NOT NULL DEFAULT 60000;
-- Of whole UTC days; NULL where it is not known, or the days were others.
ALTER TABLE trials ADD COLUMN return_days INTEGER;
ALTER TABLE trials ADD COLUMN sharpe_a_day REAL;
CREATE INDEX trials_of_strategy ON trials (
    strategy, from_ms, to_ms, symbols_json, interval_ms, parameter_hash, state, return_days, sharpe_a_day
);
