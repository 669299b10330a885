-- What an exchange asks of orders in a contract, as of a UTC day. Sizes are exact decimals; `kind` is "file",
-- "exchange" or "inferred", `source` says it in words.
CREATE TABLE contract_rules (
    symbol TEXT NOT NULL,
    as_of_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    tick_size TEXT NOT NULL,
    lot_size TEXT NOT NULL,
    contract_size TEXT NOT NULL,
    min_qty TEXT NOT NULL,
    max_qty TEXT NOT NULL,
    min_notional_usdt TEXT NOT NULL,
    max_leverage INTEGER NOT NULL,
    maintenance_margin_pct TEXT NOT NULL,
    liquidation_fee_bps TEXT NOT NULL,
    PRIMARY KEY (symbol, as_of_ms, kind)
) WITHOUT ROWID;
