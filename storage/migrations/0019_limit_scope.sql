-- Whom a limit binds, and until when where time alone ends it; how long and why the operator locks a symbol.
ALTER TABLE limit_events ADD COLUMN scope TEXT NOT NULL DEFAULT 'account';
ALTER TABLE limit_events ADD COLUMN until_ms INTEGER;
ALTER TABLE operator_commands ADD COLUMN until_ms INTEGER;
ALTER TABLE operator_commands ADD COLUMN reason TEXT NOT NULL DEFAULT '';

UPDATE limit_events SET scope = 'symbol' WHERE "limit" IN ('feed_age', 'contract', 'stop_refused');
UPDATE limit_events SET scope = 'trade' WHERE "limit" IN ('order_notional', 'leverage', 'stop_distance', 'unprotected');
