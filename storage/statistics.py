"""Results by day, from closed trades and the account's samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

DAY_MS = 86_400_000


class ClosedTrade(NamedTuple):
    exit_time_ms: int
    gross_pnl_usdt: Decimal
    fees_usdt: Decimal
    funding_usdt: Decimal
    net_pnl_usdt: Decimal


def daily_statistics(trades: Sequence[ClosedTrade], balances: Sequence[tuple[int, Decimal]]) -> dict[str, Any]:
    """`daily`, oldest first, and `totals`. Days are UTC; a trade belongs to the day of its exit.

    `balances` are (time in ms, wallet in USDT), oldest first; a day without one keeps the balance before it (None
    before the first).
    """
    by_day: dict[int, list[ClosedTrade]] = {time_ms // DAY_MS: [] for time_ms, _ in balances}
    for trade in trades:
        by_day.setdefault(trade.exit_time_ms // DAY_MS, []).append(trade)
    at_end = {time_ms // DAY_MS: wallet for time_ms, wallet in balances}
    daily: list[dict[str, Any]] = []
    balance: Decimal | None = None
    for day in sorted(by_day):
        balance = at_end.get(day, balance)
        text = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat()
        daily.append({"day": text, **_sums(by_day[day], balance)})
    return {"daily": daily, "totals": _sums(trades, balance)}


def _sums(trades: Sequence[ClosedTrade], balance: Decimal | None) -> dict[str, Any]:
    zero = Decimal(0)
    won = sum(trade.net_pnl_usdt > 0 for trade in trades)
    return {
        "trades": len(trades),
        "won": won,
        "lost": sum(trade.net_pnl_usdt < 0 for trade in trades),
        "win_rate_pct": 100 * won / len(trades) if trades else None,
        "gross_pnl_usdt": float(sum((trade.gross_pnl_usdt for trade in trades), zero)),
        "fees_usdt": float(sum((trade.fees_usdt for trade in trades), zero)),
        "funding_usdt": float(sum((trade.funding_usdt for trade in trades), zero)),
        "net_pnl_usdt": float(sum((trade.net_pnl_usdt for trade in trades), zero)),
        "balance_usdt": None if balance is None else float(balance),
    }
