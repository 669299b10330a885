"""What must hold of a trader at any moment: a running engine asks it at every timer.

Pure checks over plain data: each answers with one line for everything that is broken, naming the symbol and the order.
"""

from __future__ import annotations

from core.domain.orders import Order, OrderRole
from core.trader.state import TraderState
from core.trader.strategy_book import StrategyBook


def check_state(state: TraderState) -> list[str]:
    """What is broken within the trader: orders against their fills, positions against the books, money against its
    entries."""
    broken: list[str] = []
    for symbol, whole in state.symbols.items():
        for s in whole.books.values():
            if s.lots or s.orders or s.trade is not None:
                broken += _check_book(symbol, s)
        if len(whole.books) > 1 and len({s.lots > 0 for s in whole.books.values() if s.lots}) > 1:
            broken.append(f"{symbol}: strategies hold both sides")
    if imbalance := state.ledger.imbalance_usdt:
        broken.append(f"the books are out of balance by {imbalance} USDT")
    if float(state.ledger.wallet_usdt) != state.wallet_usdt:
        broken.append(f"wallet {state.wallet_usdt} differs from the {state.ledger.wallet_usdt} of the books")
    return broken


def _check_book(symbol: str, s: StrategyBook) -> list[str]:
    broken: list[str] = []
    entries: set[str] = set()
    for order in s.orders.values():
        name = f"{symbol} {order.role} {order.client_order_id}"
        if not order.is_open:
            broken.append(f"{name}: {order.state} is kept among the open orders")
        if not 0 <= order.filled_lots <= order.qty_lots:
            broken.append(f"{name}: {order.filled_lots} of {order.qty_lots} lots are filled")
        if order.role is not OrderRole.ENTRY and not order.reduce_only:
            broken.append(f"{name}: is not reduce-only")
        if order.qty_lots > s.instrument.max_lots and order.role is OrderRole.ENTRY:
            broken.append(f"{name}: {order.qty_lots} lots are above the most that the contract allows")
        if order.role is OrderRole.ENTRY and order.trade_id in entries:
            broken.append(f"{name}: is the second open entry of {order.trade_id}")
        if order.role in (OrderRole.STOP, OrderRole.TARGET):
            broken += [f"{name}: {what}" for what in _check_early(s, order)]
        entries.add(order.trade_id if order.role is OrderRole.ENTRY else "")
    if s.lots and s.trade is None:
        broken.append(f"{symbol}: {s.lots} lots belong to no trade")
    return broken


def _check_early(s: StrategyBook, order: Order) -> list[str]:
    """What is wrong with a stop or target of a trade of which nothing is filled: all there may be is one stop ahead,
    against the entry and not larger."""
    entry = s.untold_entry()
    if entry is None or order.trade_id != entry.trade_id:
        return []
    if not order.is_ahead:
        return ["is placed before anything of its trade was filled"]
    return ["does not fit its entry"] if order.side is entry.side or order.qty_lots > entry.qty_lots else []
