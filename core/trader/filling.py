"""What a fill moves: whose lots, which trade's, and what of its price and fee.

At the venue there is one position a symbol. `SymbolState.shared_out` says whose lots a fill moves; here it is cut into
the parts that are booked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from core.arithmetic.cost_basis import USDT_QUANTUM
from core.domain.orders import Fill, Order, OrderRole
from core.domain.trading import EXACT, ExitReason, Trade
from core.trader.ledger import ZERO
from core.trader.open_trade import OpenTrade
from core.trader.strategy_book import StrategyBook


class Moved(NamedTuple):
    """The part of a fill that moved lots of `book`, which held `held` lots of the trade `left` before; `closed` is the
    trade that it ended."""

    book: StrategyBook
    fill: Fill
    held: int
    left: OpenTrade | None
    closed: Trade | None


def parts_of(fill: Fill, shares: Sequence[tuple[StrategyBook, int]]) -> Iterator[tuple[StrategyBook, Fill]]:
    """`fill` cut into lots by book, its fee with them. The first part bears the id of the whole."""
    if len(shares) == 1:
        yield shares[0][0], fill
        return
    fees = split(fill.fee_usdt, [lots for _, lots in shares])
    for n, ((s, lots), fee_usdt) in enumerate(zip(shares, fees, strict=True)):
        fill_id = f"{fill.fill_id}/{s.strategy}" if n else fill.fill_id
        yield s, replace(fill, fill_id=fill_id, qty_lots=lots, fee_usdt=fee_usdt)


def split(amount_usdt: Decimal, weights: Sequence[int]) -> list[Decimal]:
    """An amount by weights that are not all zero, each part rounded half-even to 1e-8 USDT; the heaviest has what
    rounding leaves, so that they sum to the amount exactly."""
    whole = sum(weights)
    parts = [share_of(amount_usdt, weight, whole) for weight in weights]
    heaviest = max(range(len(weights)), key=weights.__getitem__)
    others = ZERO
    for n, part in enumerate(parts):
        others = others if n == heaviest else EXACT.add(others, part)
    parts[heaviest] = EXACT.subtract(amount_usdt, others)
    return parts


def opened_by(s: StrategyBook, trade: OpenTrade, fill: Fill, order: Order) -> OpenTrade:
    """The trade that what a fill opens belongs to. What adds to a position goes with it, and what goes through zero
    unplanned begins a trade of its own."""
    is_next = s.next_trade is not None and order.trade_id == s.next_trade.trade_id
    if s.next_trade is not None and is_next and s.lots * fill.side.sign <= 0:
        return s.next_trade
    through_zero = s.lots * fill.side.sign < 0 and fill.qty_lots > abs(s.lots)
    return unplanned(fill, order) if through_zero else trade


def unplanned(fill: Fill, order: Order) -> OpenTrade:
    """A trade that no decision asked for: of a fill that came late, or of an order that only the venue knows."""
    return OpenTrade(
        f"{order.trade_id}+{fill.fill_id}",
        fill.symbol,
        fill.side,
        order.origin,
        fill.time_ms,
        stop_pct=order.stop_pct,
        target_pct=order.target_pct,
        ladder=order.ladder,
    )


def share_of(fee_usdt: Decimal, lots: int, of_lots: int) -> Decimal:
    """The part of a fill's fee that belongs to `lots` of its lots, rounded half-even to 1e-8 USDT."""
    if lots == of_lots:
        return fee_usdt
    if not lots:
        return ZERO
    part = EXACT.divide(EXACT.multiply(fee_usdt, lots), of_lots)
    return part.quantize(USDT_QUANTUM, ROUND_HALF_EVEN, EXACT)


def exit_reason(order: Order) -> str:
    """Why an order that closed was placed. Not the reason of a canceled one, which tells why it was canceled."""
    if order.role in (OrderRole.EXIT, OrderRole.REDUCE):
        return order.reason
    return ExitReason.REVERSAL if order.role is OrderRole.ENTRY else order.role
