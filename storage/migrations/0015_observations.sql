-- What is observed beside bars and funding: a row is of one symbol and stream.
CREATE TABLE observations (
    stream TEXT NOT NULL,        -- "open_interest.4h": the source's kind, and its period where it has one
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,    -- when it was so, or when its period began
    number INTEGER NOT NULL,     -- the venue's own where several are of one millisecond, else 0
    known_ms INTEGER NOT NULL,   -- from when on one could know
    packed BLOB NOT NULL,        -- the stream's fields, float64, little-endian
    source_id INTEGER NOT NULL REFERENCES sources (source_id),
    PRIMARY KEY (stream, symbol, time_ms, number)
) WITHOUT ROWID;
