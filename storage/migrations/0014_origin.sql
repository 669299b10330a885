-- Whose word a record is: the strategy, the part of it that spoke, the version that it spoke by and what that version was
-- for. What was written before came of strategies of one part, whose versions were all decided on.
ALTER TABLE orders RENAME COLUMN model_version TO version;
ALTER TABLE orders ADD COLUMN part TEXT NOT NULL DEFAULT 'main';
ALTER TABLE orders ADD COLUMN version_role TEXT NOT NULL DEFAULT 'champion';
ALTER TABLE trades RENAME COLUMN model_version TO version;
ALTER TABLE trades ADD COLUMN part TEXT NOT NULL DEFAULT 'main';
ALTER TABLE trades ADD COLUMN version_role TEXT NOT NULL DEFAULT 'champion';
ALTER TABLE predictions RENAME COLUMN model_version TO version;
ALTER TABLE predictions ADD COLUMN part TEXT NOT NULL DEFAULT 'main';
ALTER TABLE predictions ADD COLUMN version_role TEXT NOT NULL DEFAULT 'champion';
ALTER TABLE signals RENAME COLUMN model_version TO version;
ALTER TABLE signals ADD COLUMN part TEXT NOT NULL DEFAULT 'main';
ALTER TABLE signals ADD COLUMN version_role TEXT NOT NULL DEFAULT 'champion';
ALTER TABLE training ADD COLUMN part TEXT NOT NULL DEFAULT 'main';
ALTER TABLE training ADD COLUMN version_role TEXT NOT NULL DEFAULT 'candidate';
ALTER TABLE limit_events ADD COLUMN strategy TEXT NOT NULL DEFAULT '';
ALTER TABLE limit_events ADD COLUMN part TEXT NOT NULL DEFAULT '';
ALTER TABLE limit_events ADD COLUMN version_role TEXT NOT NULL DEFAULT '';
ALTER TABLE limit_events ADD COLUMN version TEXT NOT NULL DEFAULT '';

UPDATE training SET version_role = 'champion' WHERE status = 'swapped';
-- Orders that no strategy asked for: liquidations, ends before holes, what others closed.
UPDATE orders SET part = '', version_role = '' WHERE strategy = '';
UPDATE trades SET part = '', version_role = '' WHERE strategy = '';

DROP TABLE trainings_now;

CREATE TABLE trainings_now (
    account TEXT NOT NULL,
    strategy TEXT NOT NULL,
    part TEXT NOT NULL,
    symbol TEXT NOT NULL,
    status TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (account, strategy, part, symbol, status)
) WITHOUT ROWID;

INSERT INTO trainings_now
SELECT account, strategy, part, symbol, status, max(seq) FROM training GROUP BY account, strategy, part, symbol, status;
