"""Scripted sessions: a small venue with moods, the engine's step in miniature, and the journal as it is loaded."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from core.domain.errors import VenueRejectedError, VenueUnknownError
from core.domain.market import Bar, FirstPrice, FundingRate, MarketEvent
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderUpdate, Side
from core.domain.origin import ACCOUNT
from core.domain.records import (
    CursorRecord,
    EquityRecord,
    FirstPriceRecord,
    ForecastRecord,
    Record,
    SignalRecord,
)
from core.domain.trading import FundingPayment
from core.ports import VenueEvent
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder, TraderEvent
from core.trader.restore import restore, set_marks
from core.trader.trader import Trader

KEEP_PREDICTIONS = 30


class TinyVenue:
    """Market orders fill at first prices, triggered ones at their trigger inside a bar. Its moods follow from the
    order's id and `salt` alone: some orders are refused, some answered with silence, some filled in two parts, some
    fills told twice, some cancels too late."""

    def __init__(self, trader: Trader, salt: int) -> None:
        self.instruments = {symbol: s.instrument for symbol, s in trader.state.symbols.items()}
        self.salt = salt
        self.resting: dict[str, Order] = {}
        self.lots = dict.fromkeys(self.instruments, 0)
        self.price = dict.fromkeys(self.instruments, 0.0)
        self.silent: list[OrderUpdate] = []
        self.fills = 0

    def mood(self, order_id: str, what: str) -> int:
        """0..9"""
        return hashlib.blake2b(f"{order_id}{what}{self.salt}".encode(), digest_size=2).digest()[0] % 10

    def place(self, order: Order, now_ms: int) -> list[VenueEvent]:
        if order.reduce_only and self.lots[order.symbol] * order.side.sign >= 0:
            raise VenueRejectedError("no position to reduce")
        if order.trigger_ticks is not None and self._touched(order, self.price[order.symbol], self.price[order.symbol]):
            raise VenueRejectedError("would fire at once")
        mood = self.mood(order.client_order_id, "place")
        if mood == 0:
            raise VenueRejectedError("not today")
        accepted = OrderUpdate(order.client_order_id, order.symbol, OrderState.ACCEPTED, now_ms, f"v{mood}")
        self.resting[order.client_order_id] = order
        if mood == 1:
            self.silent.append(accepted)
            raise VenueUnknownError("timed out")
        return [accepted]

    def cancel(self, order: Order, now_ms: int) -> list[VenueEvent]:
        mine = self.resting.get(order.client_order_id)
        if mine is None:
            raise VenueRejectedError("nothing rests")
        canceled = OrderUpdate(order.client_order_id, order.symbol, OrderState.CANCELED, now_ms, reason="on request")
        if self.mood(order.client_order_id, "cancel") == 0 and order.role is OrderRole.ENTRY:
            # The fill overtook the cancel, and its news comes after it.
            return [canceled, *self._fill(mine, mine.remaining_lots, self._ticks(mine), now_ms)]
        del self.resting[order.client_order_id]
        return [canceled]

    def on_market(self, event: MarketEvent) -> list[VenueEvent]:
        told: list[VenueEvent] = [u for u in self.silent if u.client_order_id in self.resting]
        self.silent = []
        symbol = event.symbol
        if isinstance(event, FundingRate):
            return told + self._funding(event)
        low, high = (event.low, event.high) if isinstance(event, Bar) else (self.price[symbol], self.price[symbol])
        now_ms = event.close_time_ms if isinstance(event, Bar) else event.time_ms
        self.price[symbol] = event.close if isinstance(event, Bar) else getattr(event, "price", self.price[symbol])
        for order in [o for o in self.resting.values() if o.symbol == symbol]:
            if order.client_order_id not in self.resting:
                continue
            if order.trigger_ticks is not None and isinstance(event, Bar) and self._touched(order, low, high):
                told += self._part(order, order.trigger_ticks, now_ms)
            elif order.trigger_ticks is None and isinstance(event, FirstPrice):
                told += self._part(order, self._ticks(order), now_ms)
        return told

    def liquidate(self, symbol: str, now_ms: int) -> list[VenueEvent]:
        lots = self.lots[symbol]
        if not lots:
            return []
        order = Order(
            client_order_id=f"liq-{symbol}-{now_ms}",
            symbol=symbol,
            side=Side.SELL if lots > 0 else Side.BUY,
            type="market",  # type: ignore[arg-type]
            role=OrderRole.LIQUIDATION,
            qty_lots=abs(lots),
            created_ms=now_ms,
            trade_id="",
            origin=ACCOUNT,
            reduce_only=True,
        )
        return self._fill(order, abs(lots), self._ticks(order), now_ms)

    def _touched(self, order: Order, low: float, high: float) -> bool:
        trigger = float(self.instruments[order.symbol].price(order.trigger_ticks or 0))
        falls = (order.role is OrderRole.STOP) == (order.side is Side.SELL)
        return low <= trigger if falls else high >= trigger

    def _ticks(self, order: Order) -> int:
        return self.instruments[order.symbol].ticks_nearest(self.price[order.symbol])

    def _part(self, order: Order, ticks: int, now_ms: int) -> list[VenueEvent]:
        lots = order.remaining_lots
        if order.reduce_only:
            lots = min(lots, max(0, -self.lots[order.symbol] * order.side.sign))
        if not lots:
            del self.resting[order.client_order_id]
            return [OrderUpdate(order.client_order_id, order.symbol, OrderState.EXPIRED, now_ms, reason="flat")]
        if self.mood(order.client_order_id, "part") < 4 and not order.filled_lots:
            lots = max(1, lots // 2)
        return self._fill(order, lots, ticks, now_ms)

    def _fill(self, order: Order, lots: int, ticks: int, now_ms: int) -> list[VenueEvent]:
        self.fills += 1
        fee = (self.instruments[order.symbol].notional_usdt(lots, ticks) * 5 / 10_000).quantize(Decimal("1e-8"))
        fill = Fill(
            f"{order.client_order_id}:{order.filled_lots + lots}",
            order.client_order_id,
            order.symbol,
            order.side,
            lots,
            ticks,
            fee,
            is_maker=False,
            time_ms=now_ms,
        )
        self.lots[order.symbol] += order.side.sign * lots
        after = replace(order, filled_lots=order.filled_lots + lots)
        if after.remaining_lots:
            self.resting[order.client_order_id] = after
        else:
            self.resting.pop(order.client_order_id, None)
        return [fill, fill] if self.mood(fill.fill_id, "twice") == 0 else [fill]

    def _funding(self, rate: FundingRate) -> list[VenueEvent]:
        lots = self.lots[rate.symbol]
        if not lots:
            return []
        amount = -self.instruments[rate.symbol].qty(lots) * rate.mark_price * rate.rate
        funding_id = f"funding-{rate.symbol}-{rate.time_ms}"
        return [FundingPayment(funding_id, rate.symbol, rate.time_ms, rate.rate, rate.mark_price, lots, amount)]


@dataclass(frozen=True)
class Liquidate:
    """An order of the script to the venue."""

    symbol: str
    time_ms: int


Step = tuple[int, list[MarketEvent | TraderEvent | Liquidate]]


@dataclass
class Cut:
    """What is left when the process dies just after a commit, and what the trader knew."""

    step: int
    commands: int
    pending: list[Command]
    records: int
    venue: TinyVenue
    knew: str


@dataclass
class Session:
    """Runs steps as the engine does: events in, one commit, then orders out and their answers in, one commit each."""

    trader: Trader
    venue: TinyVenue
    journal: list[Record] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    cutting: bool = True

    def run(self, steps: Sequence[Step], first: int = 0, pending: Iterable[Command] = ()) -> None:
        if first:
            self._send(list(pending), first - 1, steps[first - 1][0])
        for n in range(first, len(steps)):
            now_ms, events = steps[n]
            self._send(self._commit(self._take_in(events), n), n, now_ms)

    def _take_in(self, events: list[Any]) -> list[Command]:
        commands: list[Command] = []
        for event in events:
            if isinstance(event, Liquidate):
                answers = self.venue.liquidate(event.symbol, event.time_ms)
            else:
                market = isinstance(event, Bar | FirstPrice | FundingRate)
                answers = self.venue.on_market(event) if market else []
            for answer in answers:
                commands += self.trader.handle(answer)
            if isinstance(event, FirstPrice):
                commands.append(Journal(FirstPriceRecord(event.symbol, event.open_time_ms, event.price)))
            if not isinstance(event, FundingRate | Liquidate):
                commands += self.trader.handle(event)
        return commands

    def _commit(self, commands: list[Command], n: int) -> list[Command]:
        self.journal += [command.record for command in commands if isinstance(command, Journal)]
        self.commands += commands
        if self.cutting:
            self.cuts.append(
                Cut(
                    n,
                    len(self.commands),
                    commands,
                    len(self.journal),
                    copy.deepcopy(self.venue),
                    knowledge(self.trader),
                )
            )
        return commands

    def _send(self, commands: list[Command], n: int, now_ms: int) -> None:
        while True:
            answers: list[VenueEvent] = []
            for command in commands:
                if isinstance(command, PlaceOrder):
                    answers += self._place(command.order, now_ms)
                elif isinstance(command, CancelOrder):
                    answers += self._cancel(command.order, now_ms)
            if not answers:
                return
            commands = self._commit([command for answer in answers for command in self.trader.handle(answer)], n)

    def _place(self, order: Order, now_ms: int) -> list[VenueEvent]:
        self.trader.handle(OrderUpdate(order.client_order_id, order.symbol, OrderState.SENT, now_ms))
        try:
            return self.venue.place(order, now_ms)
        except VenueRejectedError as error:
            state, reason = OrderState.REJECTED, str(error)
        except VenueUnknownError as error:
            state, reason = OrderState.UNKNOWN, str(error)
        return [OrderUpdate(order.client_order_id, order.symbol, state, now_ms, reason=reason)]

    def _cancel(self, order: Order, now_ms: int) -> list[VenueEvent]:
        try:
            return self.venue.cancel(order, now_ms)
        except VenueRejectedError:
            return []


def knowledge(trader: Trader) -> str:
    """Everything that the trader's next answer can depend on, apart from its settings."""
    state = trader.state
    ledger = state.ledger
    plain = {name: value for name, value in vars(state).items() if name not in ("ledger", "symbols")}
    told = "\n".join(
        [
            repr(plain),
            *(repr(replace(s, canceling=dict(sorted(s.canceling.items())))) for s in state.books()),
            repr({book: amount.normalize() for book, amount in ledger._balances.items()}),
            repr(sorted(ledger.positions.items())),
            repr(sorted(ledger._seen_fills)),
            repr(sorted(ledger._seen_payments)),
            repr(sorted(ledger._seen_adjustments)),
            repr(sorted(trader.guard._fired.items())),
        ]
    )
    # A reason is an enumeration's member when made and plain text when read back; the two are equal.
    return re.sub(r"<\w+\.\w+: ('\w+')>", r"\1", told)


def as_loaded(records: Sequence[Record]) -> list[Record]:
    """What a journal gives back: of cursors the last of each symbol, the last equity, the newest predictions and
    signals, and everything else, in the order of the commits."""
    kept: list[Record] = []
    seen: dict[object, int] = {}
    most = {ForecastRecord: KEEP_PREDICTIONS, SignalRecord: KEEP_PREDICTIONS, EquityRecord: 1}
    for record in reversed(records):
        key: object = type(record)
        if isinstance(record, CursorRecord | FirstPriceRecord):
            key = type(record), record.symbol
        limit = 1 if isinstance(key, tuple) else most.get(type(record), len(records))
        if seen.get(key, 0) < limit:
            seen[key] = seen.get(key, 0) + 1
            kept.append(record)
    return kept[::-1]


def recovered(trader: Trader, records: Sequence[Record], steps: Sequence[Step]) -> Trader:
    """A new trader told the journal, with marks of the stored market, as the engine starts."""
    loaded = as_loaded(records)
    assert restore(trader, loaded) == []
    events = [event for _, batch in steps for event in batch]
    bars = {r.symbol: r.open_time_ms for r in loaded if isinstance(r, CursorRecord)}
    set_marks(trader, [e for e in events if isinstance(e, Bar) and bars.get(e.symbol) == e.open_time_ms])
    firsts = {r.symbol: r.open_time_ms for r in loaded if isinstance(r, FirstPriceRecord)}
    for event in events:
        if isinstance(event, FirstPrice) and firsts.get(event.symbol) == event.open_time_ms > bars.get(
            event.symbol, -1
        ):
            trader.handle(event)
    return trader
