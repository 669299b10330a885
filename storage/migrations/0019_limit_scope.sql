-- Whom a limit binds.
ALTER TABLE limit_events ADD COLUMN scope TEXT NOT NULL DEFAULT 'account';

UPDATE limit_events SET scope = 'symbol' WHERE "limit" IN ('feed_age', 'contract', 'stop_refused');
UPDATE limit_events SET scope = 'trade' WHERE "limit" IN ('order_notional', 'leverage', 'stop_distance', 'unprotected');
