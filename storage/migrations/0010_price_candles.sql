-- Candles that are not of a contract's own trades, so that nothing that trades can take them for those.
CREATE TABLE price_candles (
    kind TEXT NOT NULL,          -- "mark", "index", "premium" or "spot", as in sources
    symbol TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    open_time_ms INTEGER NOT NULL,
    open REAL NOT NULL,
    high REAL NOT NULL,
    low REAL NOT NULL,
    close REAL NOT NULL,
    volume REAL,                 -- of spot only: the others are of no trades
    source_id INTEGER NOT NULL REFERENCES sources (source_id),
    PRIMARY KEY (kind, symbol, open_time_ms, interval_ms)
) WITHOUT ROWID;
