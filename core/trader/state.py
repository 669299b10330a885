"""What the trader remembers, and the one set of functions that change it.

Live handling and recovery both go through these, so a refolded journal gives the state that wrote it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import assert_never

from core.domain.errors import RejectKind
from core.domain.forecast import Forecast
from core.domain.instrument import Instrument
from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import Fill, Order, OrderRole, OrderState
from core.domain.records import CancelRecord
from core.domain.regrid import factor, grid_of, rescaled_order
from core.domain.trading import EXACT, EquitySample, ExitReason, FundingPayment, Trade
from core.trader.day import UnopenedDays
from core.trader.filling import Moved, exit_reason, opened_by, parts_of, share_of, split, unplanned
from core.trader.ledger import Ledger, traded
from core.trader.open_trade import OpenTrade
from core.trader.strategy_book import StrategyBook
from core.trader.symbol_state import SymbolState

DAY_MS = 86_400_000

FLAT_ID = "-flat"
"""How the id of a record ends that tells of a flatten that all of it is done; it begins with that of the flatten."""

KEPT_ID = "-kept"
"""How the id of a record ends that tells of a flatten that waits until books are compared; it begins with that of the
flatten. It tells a trader nothing yet."""


class TraderState:
    """The whole account: `symbols` has all that were ever traded, `traded` those that still are, `strategies` those
    that trade. Equity here is float for decisions; the ledger keeps the exact books."""

    def __init__(
        self,
        initial_balance_usdt: Decimal,
        instruments: Mapping[str, Instrument],
        retired: Collection[str] = (),
        strategies: Collection[str] = ("",),
    ) -> None:
        self.ledger = Ledger(initial_balance_usdt, instruments)
        self.traded = tuple(symbol for symbol in instruments if symbol not in retired)
        self.strategies = tuple(strategies)
        self.symbols = {symbol: SymbolState(instrument, self.strategies) for symbol, instrument in instruments.items()}
        self.wallet_usdt = float(initial_balance_usdt)
        self.peak_equity_usdt = self.wallet_usdt
        self.day_start_equity_usdt = self.wallet_usdt
        self.sampled_ms = 0
        self.unopened = UnopenedDays()
        self.paused = False
        self.halted = False
        self.entries_day = 0
        self.entries_today = 0
        self.losses_day = 0
        self.losses_in_row = 0
        self.adjustment_ids: dict[str, None] = {}
        self.flatten: OperatorCommand | None = None
        self.heard: dict[str, dict[str, Forecast]] = {}
        """What each part that speaks of the whole market said last, by strategy."""

    def books(self) -> Iterator[StrategyBook]:
        """Every strategy's of every symbol."""
        for symbol in self.symbols.values():
            yield from symbol.books.values()

    def follow(self, strategies: Collection[str]) -> None:
        """These trade from now on."""
        self.strategies = tuple(strategies)
        for symbol in self.symbols.values():
            for name in strategies:
                symbol.book(name)

    def book_of(self, order: Order) -> StrategyBook:
        """In which an order counts."""
        return self.symbols[order.symbol].book(order.origin.strategy)

    def note_adjustment(self, adjustment_id: str) -> None:
        self.adjustment_ids[adjustment_id] = None

    def free_adjustment_id(self, stem: str) -> str:
        """`stem`, with a number behind it where it is taken: the journal takes each id once."""
        adjustment_id, n = stem, 1
        while adjustment_id in self.adjustment_ids:
            n += 1
            adjustment_id = f"{stem}-{n}"
        return adjustment_id

    def adopt(self, instrument: Instrument) -> None:
        """Go by other rules of a contract from now on. What is held, open and remembered keeps its prices and
        quantities. Raises StorageError where they are no whole numbers of ticks and lots there."""
        s = self.symbols[instrument.symbol]
        by = factor(instrument.symbol, grid_of(s.instrument), grid_of(instrument))
        self.ledger.adopt(instrument, by)
        net = self.ledger.positions.get(instrument.symbol)
        s.go_by(instrument)
        if by.is_one:
            return
        s.take_net(net)
        for book in s.books.values():
            if book.position is not None:
                same = net is not None and book.lots * by.lots == net.lots and book.cost_usdt == s.cost_usdt
                book.take_position(net if same else replace(book.position, lots=book.position.lots * by.lots))
            for orders in (book.orders, book.ended):
                orders.update({client_id: rescaled_order(order, by) for client_id, order in orders.items()})
            for trade in (book.trade, book.next_trade):
                if trade is not None:
                    trade.rescale(by)

    def equity_usdt(self) -> float:
        unrealised = 0.0
        for symbol in self.symbols.values():
            if symbol.lots:
                unrealised += symbol.unrealised_usdt
        return self.wallet_usdt + unrealised

    def gross_notional_usdt(self) -> float:
        gross = 0.0
        for symbol in self.symbols.values():
            for s in symbol.books.values():
                if s.lots or s.orders:
                    gross += s.notional_usdt + s.pending_entry_usdt()
        return gross

    def open_positions(self) -> int:
        """Open trades and pending entries."""
        count = 0
        for symbol in self.symbols.values():
            for s in symbol.books.values():
                count += s.trade is not None
        return count

    @property
    def opened_day(self) -> int:
        """The newest UTC day of which a sample was taken."""
        return self.sampled_ms // DAY_MS

    def entries_on(self, time_ms: int) -> int:
        return self.entries_today if self.entries_day >= time_ms // DAY_MS else 0

    def losses_on(self, time_ms: int) -> int:
        return self.losses_in_row if self.losses_day >= time_ms // DAY_MS else 0

    def exact_marks(self) -> dict[str, Decimal]:
        return {symbol: Decimal(repr(s.mark)) for symbol, s in self.symbols.items() if s.lots}

    def apply_intent(self, order: Order) -> None:
        s = self.book_of(order)
        s.orders[order.client_order_id] = order
        trade = s.trade
        if order.role is OrderRole.ENTRY:
            day = order.created_ms // DAY_MS
            if day > self.entries_day:
                self.entries_day, self.entries_today = day, 0
            self.entries_today += day == self.entries_day
        if order.role is OrderRole.ENTRY and not order.place:
            trade = OpenTrade(
                order.trade_id,
                order.symbol,
                order.side,
                order.origin,
                order.created_ms,
                stop_pct=order.stop_pct,
                target_pct=order.target_pct,
                ladder=order.ladder,
            )
            if s.lots:
                s.next_trade = trade
            else:
                s.trade = trade
        if trade is not None:
            trade.note_intent(order)

    def apply_cancel(self, wish: CancelRecord) -> None:
        s = self.symbols[wish.symbol].with_order(wish.client_order_id)
        if s is not None:
            s.canceling[wish.client_order_id] = wish.time_ms
            s.note_protection(wish.time_ms)

    def apply_update(self, order: Order, kind: RejectKind) -> None:
        """Take in `order` after a change of state that was not a fill; `kind` is that of a refusal."""
        s = self.book_of(order)
        if order.state is OrderState.SENT:
            # It is on its way, open and not known to rest, as it was when it was wanted.
            s.orders[order.client_order_id] = order
            return
        trade = s.trade
        is_lost = self.is_lost(order)
        if is_lost and trade is not None and order.role is OrderRole.TARGET:
            trade.targets[order.place].lost += 1
        elif is_lost and trade is not None:
            trade.lost_stops += 1
            is_final = order.state is OrderState.REJECTED and kind is not RejectKind.WOULD_TRIGGER
            trade.stop_refused = trade.stop_refused or is_final
        s.keep(order)
        s.note_protection(order.updated_ms)
        s.note_flat()
        if order.is_open or order.role is not OrderRole.ENTRY:
            return
        if s.next_trade is not None and s.next_trade.trade_id == order.trade_id:
            s.next_trade = None
        elif s.trade is not None and s.trade.trade_id == order.trade_id and not s.trade.entry_lots and not s.lots:
            s.trade = None

    def is_lost(self, order: Order) -> bool:
        """Whether an order is the stop or target of what is held, and ended although nobody asked for it; to be asked
        before it is filed. A stop ahead of what is held is no loss: the stop proper is placed with the first fill."""
        s = self.book_of(order)
        if (
            order.is_open
            or order.is_ahead
            or order.role not in (OrderRole.STOP, OrderRole.TARGET)
            or order.client_order_id in s.canceling
        ):
            return False
        return bool(s.lots) and s.trade is not None and s.trade.trade_id == order.trade_id

    def apply_fill(self, fill: Fill, order: Order) -> list[Moved]:
        """Book a fill; `order` is the order after it. Whose lots it moved, its own strategy's first."""
        symbol = self.symbols[fill.symbol]
        s = symbol.book(order.origin.strategy)
        s.keep(order)
        # What a bar filled is stamped with its close, so at the stroke of midnight it is yesterday's.
        day = (fill.time_ms - 1) // DAY_MS
        if day > self.opened_day:
            self.unopened.note_fill(day, fill, symbol.instrument)
        parts = symbol.shared_out(s, fill)
        if self._is_alone(symbol, parts):
            moved = [self._book_fill(parts[0][0], fill, order, s, is_alone=True)]
        else:
            self.ledger.apply_fill(fill, order.trade_id)
            moved = [self._book_fill(one, part, order, s) for one, part in parts_of(fill, parts)]
        symbol.take_net(self.ledger.positions.get(fill.symbol))
        self.wallet_usdt = float(self.ledger.wallet_usdt)
        for one, _ in parts:
            one.note_protection(fill.time_ms)
            one.note_flat()
        return moved

    def _is_alone(self, symbol: SymbolState, parts: Sequence[tuple[StrategyBook, int]]) -> bool:
        """Whether what a strategy holds is the venue's position, and stays so. The venue knows one mean cost of all
        that is held: profit is realised of that, and each trade's own is of its own cost. Both are one once all are
        flat."""
        if len(parts) > 1 or parts[0][0].position is not self.ledger.positions.get(symbol.instrument.symbol):
            return False
        return len(symbol.books) == 1 or not any(s.lots for s in symbol.books.values() if s is not parts[0][0])

    def _book_fill(
        self, s: StrategyBook, fill: Fill, order: Order, orders_own: StrategyBook, *, is_alone: bool = False
    ) -> Moved:
        """`fill` is what of a fill of `order` moves lots of `s`; the order counts in `orders_own`."""
        is_own = s is orders_own
        held, left = s.lots, s.trade
        if is_own and s.trade is not None and not s.lots and s.trade.trade_id != order.trade_id:
            # Another order opens a position while this trade's entry still waits: the entry will go through it.
            s.next_trade, s.trade = s.trade, None
        if s.trade is None:
            s.trade = unplanned(fill, order)
        trade, opened = s.trade, opened_by(s, s.trade, fill, order)
        effect = self.ledger.apply_fill(fill, opened.trade_id) if is_alone else None
        with localcontext(EXACT):
            effect = effect or traded(s.position, fill, s.instrument, opened.trade_id)
            s.take_position(effect.position)
            value = s.instrument.price(fill.price_ticks)
            opening_fee = share_of(fill.fee_usdt, effect.opened_lots, fill.qty_lots)
            opened.fees_usdt += opening_fee
            trade.fees_usdt += fill.fee_usdt - opening_fee
            if effect.opened_lots:
                if opened.ladder and not opened.entry_lots:
                    opened.place_ladder(fill.price_ticks, s.instrument.tick_step)
                opened.entry_time_ms = opened.entry_time_ms or fill.time_ms
                opened.entry_lots += effect.opened_lots
                opened.entry_value += value * s.instrument.qty(effect.opened_lots)
            if effect.closed_lots:
                trade.exit_time_ms = fill.time_ms
                trade.exit_lots += effect.closed_lots
                trade.exit_value += value * s.instrument.qty(effect.closed_lots)
                trade.gross_usdt += effect.realised_usdt
                trade.exit_reason = exit_reason(order) if is_own else ExitReason.OUTSIDE
                if order.role is OrderRole.TARGET and order.trade_id == trade.trade_id:
                    trade.note_target_fill(order, effect.closed_lots)
        closed = None
        if effect.closed_lots and (not s.lots or (opened is not trade and effect.opened_lots)):
            closed = self._close_trade(s, trade, opened)
        if s.next_trade is not None and s.next_trade.trade_id == order.trade_id and not order.is_open:
            s.next_trade = None
        return Moved(s, fill, held, left, closed)

    def apply_funding(self, payment: FundingPayment) -> list[Trade]:
        """Book funding, on the trades that were open when it was settled, each by its lots. Returns those of them that
        had ended, as they are now."""
        self.ledger.apply_funding(payment)
        day = payment.time_ms // DAY_MS
        if day > self.opened_day:
            self.unopened.note_funding(day, payment)
        self.wallet_usdt = float(self.ledger.wallet_usdt)
        books = list(self.symbols[payment.symbol].books.values())
        if len(books) > 1:
            weights = [s.lots_at(payment.time_ms) for s in books]
            parts = split(payment.amount_usdt, weights) if any(weights) else [payment.amount_usdt]
            paid = [(s, part) for s, part in zip(books, parts, strict=False) if part]
        else:
            paid = [(books[0], payment.amount_usdt)]
        ended = (s.pay_funding(payment.time_ms, amount_usdt) for s, amount_usdt in paid)
        return [trade for trade in ended if trade is not None]

    def apply_wallet(self, adjustment_id: str, time_ms: int, amount_usdt: Decimal, equity_usdt: Decimal) -> None:
        """Add to the wallet what is neither profit nor loss, where the account was worth `equity_usdt`: what limits
        measure from moves in proportion, so that it is as far below its peak as it was."""
        self.ledger.apply_adjustment(adjustment_id, time_ms, amount_usdt)
        self.note_adjustment(adjustment_id)
        self.wallet_usdt = float(self.ledger.wallet_usdt)
        self.peak_equity_usdt = _moved(self.peak_equity_usdt, amount_usdt, equity_usdt)
        self.day_start_equity_usdt = _moved(self.day_start_equity_usdt, amount_usdt, equity_usdt)

    def apply_operator(self, command: OperatorCommand) -> None:
        match command.verb:
            case Verb.PAUSE:
                self.paused = True
            case Verb.HALT:
                self.halted = True
            case Verb.FLATTEN:
                for s in self.books():
                    if command.symbol in ("", s.instrument.symbol):
                        s.flatten(command.time_ms)
                self.flatten = command if self.is_flattening() else None
                self.paused = self.paused or not command.symbol
            case Verb.RESUME:
                self.paused = self.halted = False
                self.losses_in_row = 0
            case Verb.LOCK | Verb.UNLOCK:
                pass  # The limit that it fires, or ends, remembers it.
            case Verb.CLOSE | Verb.MOVE_STOP:
                pass  # The orders that it places remember it.
            case _:
                assert_never(command.verb)

    def is_flattening(self) -> bool:
        return any(s.flattening for s in self.books())

    def apply_equity(self, sample: EquitySample) -> None:
        self.peak_equity_usdt = float(sample.peak_equity_usdt)
        self.day_start_equity_usdt = float(sample.day_start_equity_usdt)
        self.sampled_ms = max(self.sampled_ms, sample.time_ms)
        self.unopened.opened(self.opened_day)

    def _close_trade(self, s: StrategyBook, trade: OpenTrade, opened: OpenTrade) -> Trade:
        """`opened` is `trade` itself, or the one that the same fill began."""
        closed = trade.close(s.instrument)
        s.closed.append(closed)
        if opened is trade or opened is s.next_trade:
            s.trade, s.next_trade = s.next_trade, None
        else:
            s.trade = opened
        day = closed.exit_time_ms // DAY_MS
        if day > self.losses_day:
            self.losses_day, self.losses_in_row = day, 0
        if day == self.losses_day:
            self.losses_in_row = self.losses_in_row + 1 if closed.net_pnl_usdt < 0 else 0
        return closed


def _moved(value_usdt: float, amount_usdt: Decimal, equity_usdt: Decimal) -> float:
    """A mark of the limits after `amount_usdt` was added to `equity_usdt`. Where there was nothing to be in proportion
    to, or less than nothing is left, it moves by the amount itself."""
    value, after = Decimal(repr(value_usdt)), EXACT.add(equity_usdt, amount_usdt)
    if equity_usdt <= 0 or after < 0:
        return float(EXACT.add(value, amount_usdt))
    return float(EXACT.divide(EXACT.multiply(value, after), equity_usdt))
