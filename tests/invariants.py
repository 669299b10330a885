"""What must hold of a trader after every event of a simulation, and between it and the exchange once both are at rest.

Pure checks over plain data: each answers with one line for everything that is broken, naming the symbol and the order.
What a running engine asks of itself at every timer is in `core.trader.invariants`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.domain.orders import RESTING_STATES, TERMINAL_STATES, Order, OrderState, Side
from core.trader.limits import exposure_pct
from core.trader.trader import Trader

_WITH_ENTRY_PRICE_MOVE = 1.05
"""Exposure may outgrow its limit by what prices move after an entry was sized; only more than this is a fault."""


@dataclass(frozen=True, slots=True)
class ExchangeOrder:
    """An open order as the exchange shows it; `client_order_id` is empty where it is not one of ours."""

    client_order_id: str
    symbol: str
    side: Side
    qty_lots: int
    filled_lots: int
    reduce_only: bool
    is_stop: bool


@dataclass(frozen=True, slots=True)
class ExchangeView:
    """The exchange at one moment. `positions_lots` are signed, and ours alone: what others hold is taken out.
    `order_ids` are the client ids of every order of ours that it ever took, each as often as it took it."""

    time_ms: int
    wallet_usdt: Decimal
    positions_lots: Mapping[str, int]
    open_orders: Sequence[ExchangeOrder]
    order_ids: Sequence[str]


def check_limits(trader: Trader) -> list[str]:
    """Exposure, with pending and unknown entries in full, against its limit."""
    caps, state = trader.settings.limits, trader.state
    most_pct = min(caps.max_exposure_pct, caps.max_leverage * 100.0) * _WITH_ENTRY_PRICE_MOVE
    used_pct = exposure_pct(state.gross_notional_usdt(), state.equity_usdt())
    return [f"exposure {used_pct:.1f} % is above its limit"] if used_pct > most_pct else []


def check_change(before: Mapping[str, Order], after: Mapping[str, Order]) -> list[str]:
    """What orders may not do from one moment to the next: fill less, or come back from their end but by a late fill or
    by turning up after all."""
    broken: list[str] = []
    for order_id, old in before.items():
        new = after.get(order_id)
        if new is None:
            continue
        if new.filled_lots < old.filled_lots:
            broken.append(f"order {order_id}: filled {old.filled_lots} lots, now {new.filled_lots}")
        if old.state in TERMINAL_STATES and new.state is not old.state:
            is_late_fill = new.filled_lots > old.filled_lots
            turned_up = old.state is OrderState.REJECTED and new.state in RESTING_STATES
            if not is_late_fill and not turned_up:
                broken.append(f"order {order_id}: {old.state} became {new.state} without a fill")
    return broken


def orders_of(trader: Trader) -> dict[str, Order]:
    """Every order that the trader remembers, by client id."""
    found: dict[str, Order] = {}
    for s in trader.state.books():
        found.update(s.ended)
        found.update(s.orders)
    return found


def compare(trader: Trader, view: ExchangeView) -> list[str]:
    """What trader and exchange disagree on; asked when all that was told has arrived."""
    state = trader.state
    broken: list[str] = []
    for symbol, s in state.symbols.items():
        theirs = view.positions_lots.get(symbol, 0)
        if s.lots != theirs:
            broken.append(f"{symbol}: position {s.lots} lots, at the exchange {theirs}")
    if state.ledger.wallet_usdt != view.wallet_usdt:
        broken.append(f"wallet {state.ledger.wallet_usdt} USDT, at the exchange {view.wallet_usdt}")
    twice = sorted({order_id for order_id in view.order_ids if view.order_ids.count(order_id) > 1})
    broken += [f"order {order_id} was taken more than once" for order_id in twice]
    return broken + _compare_orders(trader, view)


def unprotected_lots(view: ExchangeView) -> dict[str, int]:
    """Lots that no resting reduce-only stop at the exchange covers, by symbol."""
    found: dict[str, int] = {}
    for symbol, lots in view.positions_lots.items():
        covering = (
            order.qty_lots - order.filled_lots
            for order in view.open_orders
            if order.symbol == symbol and order.is_stop and order.reduce_only and order.side.sign * lots < 0
        )
        open_lots = abs(lots) - sum(covering)
        if open_lots > 0:
            found[symbol] = open_lots
    return found


def _compare_orders(trader: Trader, view: ExchangeView) -> list[str]:
    broken: list[str] = []
    ours = {order.client_order_id: order for s in trader.state.books() for order in s.orders.values()}
    theirs = {order.client_order_id: order for order in view.open_orders if order.client_order_id}
    for order_id, shown in theirs.items():
        order = ours.get(order_id)
        if order is None:
            broken.append(f"{shown.symbol}: order {order_id} rests at the exchange and is not open here")
        elif order.filled_lots != shown.filled_lots:
            broken.append(
                f"{shown.symbol}: order {order_id} filled {order.filled_lots} lots, at the exchange {shown.filled_lots}"
            )
    for order_id, order in ours.items():
        if order.state in RESTING_STATES and order_id not in theirs:
            broken.append(f"{order.symbol}: order {order_id} is {order.state} here and not open at the exchange")
    useless = (o for o in theirs.values() if o.reduce_only and not view.positions_lots.get(o.symbol, 0))
    return broken + [f"{o.symbol}: {o.client_order_id} rests although nothing is held" for o in useless]
