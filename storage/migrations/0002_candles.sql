CREATE TABLE sources (
    source_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,          -- the file's name, or "stream" for bars that arrived live
    sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,          -- "candles" or "funding"
    is_synthetic INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    imported_ms INTEGER NOT NULL,
    note TEXT NOT NULL,
    UNIQUE (sha256, kind, symbol, interval_ms)
);

CREATE TABLE candles (
    symbol TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    open_time_ms INTEGER NOT NULL,
    open REAL NOT NULL,
    high REAL NOT NULL,
    low REAL NOT NULL,
    close REAL NOT NULL,
    volume REAL NOT NULL,
    source_id INTEGER NOT NULL REFERENCES sources (source_id),
    PRIMARY KEY (symbol, interval_ms, open_time_ms)
) WITHOUT ROWID;

CREATE TABLE funding_rates (
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    rate TEXT NOT NULL,          -- fraction of notional
    mark_price TEXT,             -- USDT; NULL where the source gave none
    source_id INTEGER NOT NULL REFERENCES sources (source_id),
    PRIMARY KEY (symbol, time_ms)
) WITHOUT ROWID;
