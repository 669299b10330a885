-- One account is one book: "demo", "paper" or "live". `seq` is the place of a record in its account's journal,
-- over all tables. Money is TEXT (exact decimals), prices are ticks, quantities lots, times UTC milliseconds.

CREATE TABLE journals (
    account TEXT NOT NULL PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    last_commit INTEGER NOT NULL -- counts the commits of all accounts: the greatest is the account written last
) WITHOUT ROWID;

CREATE TABLE meta (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account, key)
) WITHOUT ROWID;

CREATE TABLE instruments (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    base TEXT NOT NULL,
    tick_size TEXT NOT NULL,
    lot_size TEXT NOT NULL,
    contract_size TEXT NOT NULL,
    min_lots INTEGER NOT NULL,
    max_lots INTEGER NOT NULL,
    min_notional_usdt TEXT NOT NULL,
    maker_fee_bps TEXT NOT NULL,
    taker_fee_bps TEXT NOT NULL,
    max_leverage INTEGER NOT NULL,
    maintenance_margin_pct TEXT NOT NULL,
    liquidation_fee_bps TEXT NOT NULL,
    PRIMARY KEY (account, symbol)
) WITHOUT ROWID;

-- Each order as it is now.
CREATE TABLE orders (
    account TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    type TEXT NOT NULL,
    role TEXT NOT NULL,
    qty_lots INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    trade_id TEXT NOT NULL,
    strategy TEXT NOT NULL,
    price_ticks INTEGER,
    trigger_ticks INTEGER,
    reduce_only INTEGER NOT NULL,
    model_version TEXT NOT NULL,
    state TEXT NOT NULL,
    filled_lots INTEGER NOT NULL,
    venue_order_id TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (account, client_order_id)
) WITHOUT ROWID;

-- The intent (update_* are NULL) and every update of an order, each with the order as it was after it.
CREATE TABLE order_events (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    update_state TEXT,
    update_time_ms INTEGER,
    update_venue_order_id TEXT,
    update_reason TEXT,
    state TEXT NOT NULL,
    filled_lots INTEGER NOT NULL,
    venue_order_id TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (account, seq),
    FOREIGN KEY (account, client_order_id) REFERENCES orders (account, client_order_id)
) WITHOUT ROWID;

-- A venue numbers its fills by symbol. The last five columns are the order after the fill.
CREATE TABLE fills (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    fill_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    qty_lots INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL,
    fee_usdt TEXT NOT NULL,
    is_maker INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    filled_lots INTEGER NOT NULL,
    venue_order_id TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (account, seq),
    UNIQUE (account, symbol, fill_id),
    FOREIGN KEY (account, client_order_id) REFERENCES orders (account, client_order_id)
) WITHOUT ROWID;

-- Withdrawals wished for; what came of each is the order's next event.
CREATE TABLE cancels (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (account, seq),
    FOREIGN KEY (account, client_order_id) REFERENCES orders (account, client_order_id)
) WITHOUT ROWID;

CREATE TABLE funding_payments (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    funding_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    rate TEXT NOT NULL,
    mark_price TEXT NOT NULL,
    position_lots INTEGER NOT NULL,
    amount_usdt TEXT NOT NULL,
    PRIMARY KEY (account, seq),
    UNIQUE (account, symbol, funding_id)
) WITHOUT ROWID;

CREATE TABLE position_events (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    lots INTEGER NOT NULL,
    cost_usdt TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    trade_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

CREATE INDEX position_events_by_symbol ON position_events (account, symbol, seq);

-- Each symbol's position as it is now; zero lots when flat.
CREATE VIEW positions AS
SELECT p.* FROM position_events AS p
WHERE p.seq = (SELECT max(n.seq) FROM position_events AS n WHERE n.account = p.account AND n.symbol = p.symbol);

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
    PRIMARY KEY (account, seq),
    UNIQUE (account, trade_id)
) WITHOUT ROWID;

-- `contributions` is JSON: [[feature, value, contribution_bps], ...], strongest first.
CREATE TABLE predictions (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    bar_close_ms INTEGER NOT NULL,
    made_ms INTEGER NOT NULL,
    horizon_ms INTEGER NOT NULL,
    value_bps REAL NOT NULL,
    confidence REAL NOT NULL,
    model_version TEXT NOT NULL,
    strategy TEXT NOT NULL,
    contributions TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

CREATE TABLE signals (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    signal_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    value_bps REAL NOT NULL,
    threshold_bps REAL NOT NULL,
    confidence REAL NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    strategy TEXT NOT NULL,
    model_version TEXT NOT NULL,
    contributions TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

CREATE TABLE limit_events (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    "limit" TEXT NOT NULL,
    symbol TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    fired INTEGER NOT NULL,
    effect TEXT NOT NULL,
    used REAL NOT NULL,
    limit_value REAL NOT NULL,
    unit TEXT NOT NULL,
    clears TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

CREATE TABLE operator_commands (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    command_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    symbol TEXT NOT NULL,
    operator TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

CREATE TABLE equity (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    wallet_usdt TEXT NOT NULL,
    unrealised_usdt TEXT NOT NULL,
    equity_usdt TEXT NOT NULL,
    peak_equity_usdt TEXT NOT NULL,
    day_start_equity_usdt TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

-- The newest bar and first price of each symbol that were fully taken in; `kind` is "bar" or "first_price".
CREATE TABLE cursors (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    symbol TEXT NOT NULL,
    open_time_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (account, kind, symbol)
) WITHOUT ROWID;

-- `metrics` is JSON: [[name, value], ...].
CREATE TABLE training (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    strategy TEXT NOT NULL,
    requested_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    version TEXT NOT NULL,
    note TEXT NOT NULL,
    metrics TEXT NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;

CREATE TABLE adjustments (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    adjustment_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    what TEXT NOT NULL,
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL,
    PRIMARY KEY (account, seq),
    UNIQUE (account, adjustment_id)
) WITHOUT ROWID;
