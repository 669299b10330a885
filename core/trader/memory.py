"""What a trader remembers at one place of its journal, as plain data: a start goes on from there, whatever lies before.

It is made of a trader that was told its journal (`core.trader.restore`), never of one that trades: so to go on from it
is to go on from the journal itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.domain.forecast import Forecast
from core.domain.instrument import Instrument
from core.domain.operator import LimitEvent, OperatorCommand
from core.domain.orders import Order
from core.domain.regrid import Grid, grid_of
from core.domain.trading import Position, Trade
from core.trader.day import Booked
from core.trader.ledger import Book
from core.trader.open_trade import OpenTrade
from core.trader.strategy_book import StrategyBook
from core.trader.symbol_state import SymbolState
from core.trader.trader import Trader


@dataclass(frozen=True, slots=True)
class BookMemory:
    """One strategy in one symbol; see `core.trader.strategy_book.StrategyBook`. Orders stand as they came."""

    position: Position | None
    trade: OpenTrade | None
    next_trade: OpenTrade | None
    forecast: Forecast | None
    heard: dict[str, Forecast]
    orders: tuple[Order, ...]
    ended: tuple[Order, ...]
    canceling: dict[str, int]
    unprotected_since_ms: int | None
    closed: tuple[Trade, ...]
    flattened_ms: int
    flattening: bool


@dataclass(frozen=True, slots=True)
class SymbolMemory:
    """One symbol, counted by `grid`, as the ledger has it, with its books by strategy."""

    grid: Grid
    position: Position | None
    books: dict[str, BookMemory]


@dataclass(frozen=True, slots=True)
class TraderMemory:
    """The account; see `core.trader.state.TraderState`. `fired` are the limits that stand."""

    balances: dict[Book, Decimal]
    symbols: dict[str, SymbolMemory]
    peak_equity_usdt: float
    day_start_equity_usdt: float
    sampled_ms: int
    unopened: dict[int, Booked]
    paused: bool
    halted: bool
    entries_day: int
    entries_today: int
    losses_day: int
    losses_in_row: int
    flatten: OperatorCommand | None
    fired: tuple[LimitEvent, ...]
    heard: dict[str, dict[str, Forecast]]

    def books(self) -> Iterator[tuple[str, BookMemory]]:
        """With the symbol that each is of."""
        return ((symbol, book) for symbol, kept in self.symbols.items() for book in kept.books.values())

    def lots(self) -> dict[str, int]:
        """Signed, of the positions by symbol."""
        return {symbol: position.lots for symbol, position in self.net().items()}

    def net(self) -> dict[str, Position]:
        """By symbol, as the venue holds it: what all strategies hold as one."""
        return {symbol: kept.position for symbol, kept in self.symbols.items() if kept.position is not None}

    def open_orders(self) -> dict[str, str]:
        """Their symbols, by client id."""
        return {order.client_order_id: symbol for symbol, book in self.books() for order in book.orders}


@dataclass(frozen=True, slots=True)
class Seen:
    """The ids that were taken in once, and are never again: of fills by symbol, of payments and of adjustments; of
    these, `moving` are those that moved the wallet."""

    fills: Collection[tuple[str, str]] = ()
    payments: Collection[str] = ()
    adjustments: Collection[str] = ()
    moving: Collection[str] = ()


def remember(trader: Trader) -> TraderMemory:
    """Of a trader that was told its journal and nothing else: what the market is at is no part of it."""
    state = trader.state
    return TraderMemory(
        balances=state.ledger.balances(),
        symbols={symbol: _symbol_memory(trader, s) for symbol, s in state.symbols.items()},
        peak_equity_usdt=state.peak_equity_usdt,
        day_start_equity_usdt=state.day_start_equity_usdt,
        sampled_ms=state.sampled_ms,
        unopened=dict(state.unopened.days),
        paused=state.paused,
        halted=state.halted,
        entries_day=state.entries_day,
        entries_today=state.entries_today,
        losses_day=state.losses_day,
        losses_in_row=state.losses_in_row,
        flatten=state.flatten,
        fired=trader.guard.standing(),
        heard={strategy: dict(heard) for strategy, heard in state.heard.items() if heard},
    )


def recall(trader: Trader, memory: TraderMemory, seen: Seen) -> None:
    """Bring a new trader to where `memory` was made. `seen` are the ids of the journal up to there. The symbols of
    `memory` are among the trader's, and counted as they are there."""
    state = trader.state
    state.ledger.recall(memory.balances, memory.net(), seen.fills, seen.payments, seen.moving)
    state.wallet_usdt = float(state.ledger.wallet_usdt)
    state.adjustment_ids = dict.fromkeys(seen.adjustments)
    state.peak_equity_usdt = memory.peak_equity_usdt
    state.day_start_equity_usdt = memory.day_start_equity_usdt
    state.sampled_ms = memory.sampled_ms
    state.unopened.days.update(memory.unopened)
    state.paused, state.halted = memory.paused, memory.halted
    state.entries_day, state.entries_today = memory.entries_day, memory.entries_today
    state.losses_day, state.losses_in_row = memory.losses_day, memory.losses_in_row
    state.flatten = memory.flatten
    state.heard = {strategy: dict(heard) for strategy, heard in memory.heard.items()}
    for event in memory.fired:
        trader.guard.apply(event)
    for symbol, kept in memory.symbols.items():
        state.symbols[symbol].take_net(kept.position)
        for strategy, book in kept.books.items():
            s = state.symbols[symbol].book(strategy)
            # One that holds alone holds what the ledger does, as long as it does.
            s.take_position(kept.position if book.position == kept.position else book.position)
            _recall_book(s, book, trader.cooldown_ms(s))


def is_counted_alike(instruments: Mapping[str, Instrument], memory: TraderMemory) -> bool:
    """Whether every symbol of `memory` is among `instruments`, in the same ticks and lots."""
    return all(
        symbol in instruments and kept.grid == grid_of(instruments[symbol]) for symbol, kept in memory.symbols.items()
    )


def _symbol_memory(trader: Trader, symbol: SymbolState) -> SymbolMemory:
    books = {strategy: _book_memory(trader, s) for strategy, s in symbol.books.items()}
    net = trader.state.ledger.positions.get(symbol.instrument.symbol)
    return SymbolMemory(grid_of(symbol.instrument), net, books)


def _book_memory(trader: Trader, s: StrategyBook) -> BookMemory:
    return BookMemory(
        position=s.position,
        trade=s.trade,
        next_trade=s.next_trade,
        forecast=s.forecast,
        heard=dict(s.heard),
        orders=tuple(s.orders.values()),
        ended=tuple(s.ended.values()),
        canceling=dict(s.canceling),
        unprotected_since_ms=s.unprotected_since_ms,
        closed=tuple(s.closed),
        flattened_ms=s.flattened_ms,
        flattening=s.flattening,
    )


def _recall_book(s: StrategyBook, kept: BookMemory, cooldown_ms: int) -> None:
    s.trade, s.next_trade, s.forecast, s.heard = kept.trade, kept.next_trade, kept.forecast, dict(kept.heard)
    s.orders = {order.client_order_id: order for order in kept.orders}
    s.ended = {order.client_order_id: order for order in kept.ended}
    s.canceling = dict(kept.canceling)
    s.unprotected_since_ms = kept.unprotected_since_ms
    s.closed.extend(kept.closed)
    if kept.closed:
        s.cooldown_until_ms = kept.closed[-1].exit_time_ms + cooldown_ms
    s.flattened_ms, s.flattening = kept.flattened_ms, kept.flattening
