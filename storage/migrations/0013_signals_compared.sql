-- A signal says in words what was compared with what. Its figures are NULL where something else than a prediction
-- decided, or nothing was predicted.
ALTER TABLE signals RENAME TO signals_of_figures;

CREATE TABLE signals (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    signal_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    value_bps REAL,
    threshold_bps REAL,
    confidence REAL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    strategy TEXT NOT NULL,
    model_version TEXT NOT NULL,
    contributions TEXT NOT NULL,
    compared TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

INSERT INTO signals
SELECT account, seq, signal_id, symbol, time_ms, direction, value_bps, threshold_bps, confidence, action, reason,
    strategy, model_version, contributions, ''
FROM signals_of_figures;

DROP TABLE signals_of_figures;
