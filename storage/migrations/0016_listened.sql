-- When a stream of events was listened to: silence outside of it is not known to have been one. A row is a span without
-- a break.
CREATE TABLE listened (
    stream TEXT NOT NULL,
    symbol TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, symbol, from_ms)
) WITHOUT ROWID;
