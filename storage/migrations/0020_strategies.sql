-- Several strategies may hold a symbol at once: whose a position is. Empty where it is all that is held of the symbol.
ALTER TABLE position_events ADD COLUMN strategy TEXT NOT NULL DEFAULT '';

DROP INDEX position_events_by_symbol;
CREATE INDEX position_events_of_all ON position_events (account, symbol, seq) WHERE strategy = '';
CREATE INDEX position_events_by_strategy ON position_events (account, symbol, strategy, seq);
CREATE INDEX position_events_by_trade ON position_events (account, symbol, trade_id, seq);

-- What is held now of each symbol, each strategy's by itself; zero lots when flat. An event is overtaken by a later one
-- of everything, of its strategy or of its trade.
DROP VIEW positions;
CREATE VIEW positions AS
SELECT p.* FROM position_events AS p
WHERE (p.lots <> 0 OR p.strategy = '')
AND NOT EXISTS (
    SELECT 1 FROM position_events AS n
    WHERE n.account = p.account AND n.symbol = p.symbol AND n.strategy = '' AND n.seq > p.seq
)
AND NOT EXISTS (
    SELECT 1 FROM position_events AS n
    WHERE n.account = p.account AND n.symbol = p.symbol AND n.strategy = p.strategy AND n.seq > p.seq
)
AND NOT EXISTS (
    SELECT 1 FROM position_events AS n
    WHERE n.account = p.account AND n.symbol = p.symbol AND n.trade_id = p.trade_id AND n.seq > p.seq
);
