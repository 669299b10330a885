-- Numbers of ids are never given twice, so that a trial keeps its run even where the run was deleted.
CREATE TABLE counters (
    letter TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) WITHOUT ROWID;

-- Columns that end in _json are JSON. A figure that does not exist is NULL.
CREATE TABLE runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,          -- "backtest", "walkforward" or "sweep"
    created_ms INTEGER NOT NULL,
    status TEXT NOT NULL,        -- "complete", "partial" or "failed"
    strategy TEXT NOT NULL,
    engine TEXT NOT NULL,
    symbols_json TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    interval_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    data_hash TEXT NOT NULL,
    is_synthetic INTEGER NOT NULL,
    in_sample INTEGER NOT NULL,
    settings_json TEXT NOT NULL,
    code_version TEXT NOT NULL,
    seed INTEGER NOT NULL,
    trials INTEGER NOT NULL,
    overrides_json TEXT NOT NULL,
    note TEXT NOT NULL,
    trades INTEGER,
    initial_usdt REAL,
    final_usdt REAL,
    open_positions INTEGER,
    figures_json TEXT NOT NULL,
    breakdowns_json TEXT NOT NULL,
    vetoes_json TEXT NOT NULL,
    limits_json TEXT NOT NULL,
    trainings_json TEXT NOT NULL,
    labels_json TEXT NOT NULL,
    search_json TEXT NOT NULL    -- of a sweep: objective, grid and number of trials asked for
);

-- One array of a run's result: `part` is "trades", "curve", "fills", "predictions SYMBOL" or "reference NAME".
CREATE TABLE run_columns (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    part TEXT NOT NULL,
    name TEXT NOT NULL,
    dtype TEXT NOT NULL,         -- as numpy writes it
    crc32 INTEGER NOT NULL,      -- of the array's bytes
    data BLOB NOT NULL,          -- zlib; of integers, their differences
    PRIMARY KEY (run_id, part, name)
);

-- Every parameter set ever tried. Rows are never deleted, whatever becomes of the run that tried them.
CREATE TABLE trials (
    trial_id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    strategy TEXT NOT NULL,
    symbols_json TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    data_hash TEXT NOT NULL,
    parameter_hash TEXT NOT NULL,
    parameters_json TEXT NOT NULL,
    state TEXT NOT NULL,         -- "complete", "partial" or "failed"
    note TEXT NOT NULL,          -- why it failed
    sharpe REAL,
    figures_json TEXT NOT NULL,
    UNIQUE (run_id, number)
);

CREATE INDEX trials_of_strategy ON trials (strategy, from_ms, to_ms, symbols_json, parameter_hash, state, sharpe);

CREATE TABLE trial_returns (
    trial_id INTEGER PRIMARY KEY REFERENCES trials (trial_id),
    first_day_ms INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    data BLOB NOT NULL           -- zlib of float64: the return of each day, a fraction
);
