"""The trader's state told again from its journal."""

from __future__ import annotations

from collections.abc import Iterable

from core.domain.market import Bar
from core.domain.records import (
    AdjustmentRecord,
    CancelRecord,
    EquityRecord,
    FillRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    Record,
    TradeRecord,
)
from core.domain.trading import Trade
from core.trader.limits import LOCK
from core.trader.state import FLAT_ID, KEPT_ID
from core.trader.trader import Trader


def restore(trader: Trader, records: Iterable[Record]) -> list[AdjustmentRecord]:
    """Fold `records`, oldest first, into a new trader.

    Returns what the fold and the journalled trades disagree on, which is nothing in a sound journal.
    """
    state = trader.state
    differences: list[AdjustmentRecord] = []
    folded: dict[str, Trade] = {}
    for record in records:
        match record:
            case IntentRecord(order):
                state.apply_intent(order)
            case CancelRecord():
                state.apply_cancel(record)
            case OrderUpdateRecord(update, order):
                state.apply_update(order, update.kind)
            case FillRecord(fill, order):
                for moved in state.apply_fill(fill, order):
                    if moved.closed is not None:
                        folded[moved.closed.trade_id] = moved.closed
                        moved.book.cooldown_until_ms = moved.closed.exit_time_ms + trader.cooldown_ms(moved.book)
            case FundingRecord(payment):
                folded |= {ended.trade_id: ended for ended in state.apply_funding(payment)}
            case OperatorRecord(command) if command.command_id.endswith(FLAT_ID):
                state.flatten = None
            case OperatorRecord(command) if command.command_id.endswith(KEPT_ID):
                pass
            case OperatorRecord(command, result) if not result.startswith("refused"):
                state.apply_operator(command)
            case LimitRecord(event) if event.symbol in ("", *state.traded) or event.limit == LOCK.name:
                trader.guard.apply(event)
            case EquityRecord(sample):
                state.apply_equity(sample)
            case ForecastRecord(forecast) if trader.decides_on(forecast):
                trader.hear(forecast)
            case AdjustmentRecord() if record.amount_usdt:
                wallet_usdt = state.ledger.wallet_usdt
                state.apply_wallet(record.adjustment_id, record.time_ms, record.amount_usdt, wallet_usdt)
            case AdjustmentRecord():
                state.note_adjustment(record.adjustment_id)
            case TradeRecord(trade):
                differences += _compare(trade, folded.get(trade.trade_id))
            case _:
                pass
    return differences


def set_marks(trader: Trader, bars: Iterable[Bar]) -> None:
    """Set each symbol's mark and time from its newest stored bar."""
    for bar in bars:
        trader.state.symbols[bar.symbol].see_bar(bar.close, bar.close_time_ms)


def _compare(journalled: Trade, folded: Trade | None) -> list[AdjustmentRecord]:
    if journalled == folded:
        return []
    return [
        AdjustmentRecord(
            adjustment_id=f"fold-{journalled.trade_id}",
            time_ms=journalled.exit_time_ms,
            symbol=journalled.symbol,
            what="trade differs from its fills",
            ours=str(journalled.net_pnl_usdt),
            theirs=str(folded.net_pnl_usdt) if folded else "no such trade",
        )
    ]
