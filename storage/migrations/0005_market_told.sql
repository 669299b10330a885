-- The price of the newest first price: of a minute that is open yet no candle holds it. NULL for bars, and from before.
ALTER TABLE cursors ADD COLUMN price REAL;

-- What a market in real time told, in the order in which it did: one symbol's bar may come late, behind another's next.
-- `kind` as in cursors; `price` is that of a first price.
CREATE TABLE market_told (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    symbol TEXT NOT NULL,
    open_time_ms INTEGER NOT NULL,
    price REAL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;
