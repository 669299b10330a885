-- A trade is told again where funding of it becomes known after it ended: the newest row of its id counts.
ALTER TABLE trades RENAME TO trades_once;

CREATE TABLE trades (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    trade_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    qty TEXT NOT NULL,
    entry_price TEXT NOT NULL,
    exit_price TEXT NOT NULL,
    entry_time_ms INTEGER NOT NULL,
    exit_time_ms INTEGER NOT NULL,
    gross_pnl_usdt TEXT NOT NULL,
    fees_usdt TEXT NOT NULL,
    funding_usdt TEXT NOT NULL,
    net_pnl_usdt TEXT NOT NULL,
    exit_reason TEXT NOT NULL,
    strategy TEXT NOT NULL,
    model_version TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

INSERT INTO trades SELECT * FROM trades_once;

DROP TABLE trades_once;

CREATE INDEX trades_by_id ON trades (account, trade_id, seq);

CREATE VIEW closed_trades AS
SELECT t.* FROM trades AS t
WHERE t.seq = (SELECT max(n.seq) FROM trades AS n WHERE n.account = t.account AND n.trade_id = t.trade_id);
