-- What a part of a strategy says are values of named outputs, and a signal says what was compared with what. `exact`
-- gives the shortest text that is a number again, to the bit.
CREATE TABLE forecasts (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    bar_close_ms INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    "values" TEXT NOT NULL,      -- JSON: [value or null, ...] in the order of the part's outputs
    strategy TEXT NOT NULL,
    part TEXT NOT NULL,
    version_role TEXT NOT NULL,
    version TEXT NOT NULL,
    contributions TEXT NOT NULL, -- JSON: [[feature, value, share], ...], strongest first
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

-- The outputs of a part from the record `since_seq` + 1 on, until others are told.
CREATE TABLE part_outputs (
    account TEXT NOT NULL,
    strategy TEXT NOT NULL,
    part TEXT NOT NULL,
    since_seq INTEGER NOT NULL,
    place INTEGER NOT NULL,      -- of its value, from 0 on
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    PRIMARY KEY (account, strategy, part, since_seq, place)
) WITHOUT ROWID;

-- A rule said one figure in bps; a model beside it the probability of its sign.
INSERT INTO forecasts
SELECT account, seq, symbol, bar_close_ms, made_ms,
    CASE WHEN version = '' THEN '[' || exact(value_bps) || ']'
        ELSE '[' || exact(value_bps) || ', ' || exact(confidence) || ']' END,
    strategy, part, version_role, version, contributions
FROM predictions;

INSERT INTO part_outputs
SELECT account, strategy, part, 0, 0, CASE max(version) WHEN '' THEN 'value' ELSE 'forecast' END, 'bps'
FROM predictions GROUP BY account, strategy, part;

INSERT INTO part_outputs
SELECT account, strategy, part, 0, 1, 'p_sign', 'probability'
FROM predictions GROUP BY account, strategy, part HAVING max(version) <> '';

DROP TABLE predictions;

-- Each forecast by output, with its name and unit.
CREATE VIEW outputs AS
SELECT f.account, f.seq, f.symbol, f.bar_close_ms, f.made_ms, f.strategy, f.part, f.version_role, f.version,
    o.place, o.name, o.unit, json_extract(f."values", '$[' || o.place || ']') AS value
FROM forecasts AS f JOIN part_outputs AS o
    ON o.account = f.account AND o.strategy = f.strategy AND o.part = f.part AND o.since_seq = (
        SELECT max(n.since_seq) FROM part_outputs AS n
        WHERE n.account = f.account AND n.strategy = f.strategy AND n.part = f.part AND n.since_seq < f.seq
    );

-- What was decided of an entry's stop and target, NULL where they are the strategy's fixed ones.
ALTER TABLE orders ADD COLUMN stop_pct REAL;
ALTER TABLE orders ADD COLUMN target_pct REAL;

ALTER TABLE signals RENAME TO signals_of_figures;

CREATE TABLE signals (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    signal_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    confidence REAL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    strategy TEXT NOT NULL,
    part TEXT NOT NULL,
    version_role TEXT NOT NULL,
    version TEXT NOT NULL,
    contributions TEXT NOT NULL,
    because TEXT NOT NULL,       -- JSON: [[what, value or null, needed or null, unit, note], ...]
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

-- What was needed was told without its side. Where something else than a figure decided, the words stand as they were.
INSERT INTO signals
SELECT account, seq, signal_id, symbol, time_ms, direction, confidence, action, reason, strategy, part, version_role,
    version, contributions,
    CASE WHEN value_bps IS NULL OR threshold_bps IS NULL THEN json_array(json_array(compared, NULL, NULL, '', ''))
        ELSE '[["' || CASE version WHEN '' THEN 'value' ELSE 'forecast' END || '", ' || exact(value_bps) || ', '
            || exact(direction * threshold_bps) || ', "bps", ""]]' END
FROM signals_of_figures;

DROP TABLE signals_of_figures;
