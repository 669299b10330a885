"""A finished session replayed from its journal: given what went in then, the trader must say what it said then.

What went in: the venue's updates, fills, funding, wallet and health, forecasts, operators' commands, timer and
watch, and the bars and first prices that the journal counts and the candles hold; and what was told of without being
booked: differences found, and the limit that stands for them. What came out: everything else, compared bit for bit. A
crash and the start after it make no difference to a trader, so the replay goes straight through; where a start brought
other settings, the trader is told its state again by them, as the engine did.

A recorded market is told again in the order of its candles. One in real time came in its own: the journal names each
bar and first price, and has the price itself, since the minute that is open has no candle yet.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from core.domain.errors import QuarterdeckError
from core.domain.market import Bar, FirstPrice
from core.domain.orders import OrderState, OrderUpdate
from core.domain.records import (
    AdjustmentRecord,
    AgedRecord,
    CancelRecord,
    CursorRecord,
    EquityRecord,
    FillRecord,
    FirstPriceRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    Record,
    SignalRecord,
    TrainingRecord,
    WatchRecord,
)
from core.domain.regrid import carried
from core.domain.trading import SignalAction
from core.engine.session import history_bars
from core.engine.starts import Rules, Start, eras_of, is_same_account
from core.lab.data.journalled_market import ToldMarket
from core.lab.replay import record_text
from core.market.history import bar_at
from core.market.replay.events import ReplayFeed, event_time_ms
from core.market.replay.resuming import ResumePoint, newest_first_prices, rejoining, replay_cursors, resume_point
from core.ports import CandleStore
from core.trader import limits
from core.trader.limits.funding_quiet import FUNDING_QUIET
from core.trader.messages import (
    Alarm,
    FundingDue,
    Journal,
    Silence,
    Timer,
    TraderEvent,
    VenueHealth,
    WalletAdjustment,
    Watch,
)
from core.trader.restore import restore, set_marks
from core.trader.state import KEPT_ID
from core.trader.trader import Trader

DECISIONS = (SignalRecord, IntentRecord, CancelRecord, LimitRecord)
"""What a trader does of its own; the rest of what it says tells the state of its books."""

_CURSORS = (CursorRecord, FirstPriceRecord)
_NOTHING = "nothing"


class StoredJournal(Protocol):
    """One account's journal that does not change while it is read. Places run from 1 to `last_seq` without a gap, but
    of a recorded market's cursors only the newest of each symbol need be kept."""

    @property
    def last_seq(self) -> int: ...

    def records(self, first_seq: int, last_seq: int) -> Iterator[tuple[int, Record]]:
        """Records with their places, in order, both ends included."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where journal and trader part: the record's number, its time, and what each says there."""

    record: int
    time_ms: int
    journal: str
    trader: str


@dataclass(frozen=True, slots=True)
class Verification:
    """`records` of the journal were compared, `decisions` of them the trader's own, up to `first_difference` if any.

    `digest` is over everything the trader said: on two machines it is the same for the same session.
    """

    records: int
    decisions: int
    first_difference: Difference | None
    digest: str


async def verify(
    journal: StoredJournal,
    candles: CandleStore,
    starts: Sequence[Start],
    opened_ms: int,
    build: Callable[[Rules], Trader],
) -> Verification:
    """Replay the whole of `journal`. `opened_ms` is where the account's market began; `build` makes a new trader.

    `starts` are in order, the first of them at 0. Raises DataError or StorageError where candles or journal cannot be
    read.
    """
    ends = [start.seq for start in starts[1:]] + [journal.last_seq]
    rules, eras = None, eras_of(starts)
    replay = _Replay(is_mixed=eras.is_mixed)
    for start, end in zip(starts, ends, strict=True):
        if start.seq >= end:
            continue
        if rules is not None and is_same_account(start.rules, rules):
            replay.adopt(start.rules)
        elif start.rules != rules:
            told = carried(journal.records(1, start.seq), eras, start.rules.instruments)
            await replay.begin(build(start.rules), told, candles, opened_ms)
        rules = start.rules
        await replay.open_market(candles, rules, opened_ms)
        await replay.follow(journal.records(start.seq + 1, end), start.seq + 1, end)
        if replay.difference is not None:
            break
    return replay.result(journal.last_seq)


class _Replay:
    def __init__(self, *, is_mixed: bool = False) -> None:
        self.difference: Difference | None = None
        self._is_mixed = is_mixed
        self._records = 0
        self._decisions = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._expected: deque[Record] = deque()
        self._point = ResumePoint({}, {})
        self._away: set[str] = set()
        self._now_ms = 0

    def result(self, last_seq: int) -> Verification:
        if self._expected and self.difference is None:
            self._part(last_seq + 1, None, f"{_NOTHING}: it ends here", self._expected[0])
        return Verification(self._records, self._decisions, self.difference, self._digest.hexdigest())

    async def begin(self, trader: Trader, told: Iterable[Record], candles: CandleStore, opened_ms: int) -> None:
        """Go on with another trader, which knows what an engine's start lets it know."""
        self._trader = trader
        restore(trader, told)
        symbols, settings = trader.state.traded, trader.settings
        self._reach(symbols)
        interval_ms = settings.market.interval_ms
        window_ms = history_bars(trader.strategy, settings) * interval_ms
        newest = []
        for symbol in symbols:
            last = self._point.bars.get(symbol)
            end_ms = opened_ms if last is None else last + interval_ms
            columns = await candles.bars(symbol, end_ms - window_ms, end_ms)
            if len(columns.open_time_ms):
                newest.append(bar_at(columns, -1))
        set_marks(trader, newest)
        for symbol in filter(trader.lacks_bars, symbols):
            await self._recall(symbol, candles)
        delay_ms = settings.engine.first_price_delay_ms
        for price in await newest_first_prices(candles, self._point, interval_ms, delay_ms):
            trader.handle(price)

    async def _recall(self, symbol: str, candles: CandleStore) -> None:
        """Tell the exits of the trade that is held its bars again, as a start does."""
        s = self._trader.state.symbols[symbol]
        trade = s.oldest_trade()
        assert trade is not None
        interval_ms = self._trader.settings.market.interval_ms
        columns = await candles.bars(symbol, trade.entry_time_ms // interval_ms * interval_ms, s.bar_close_ms)
        self._trader.recall_bars(symbol, (bar_at(columns, row) for row in range(len(columns.open_time_ms))))

    def adopt(self, rules: Rules) -> None:
        """The exchange took orders by other steps from here on."""
        for instrument in rules.instruments.values():
            self._trader.adopt(instrument)

    async def open_market(self, candles: CandleStore, rules: Rules, opened_ms: int) -> None:
        """The market behind what was taken in so far, in the order in which a start tells it."""
        symbols = self._trader.state.traded
        self._away |= rules.retired
        self._reach(symbols)
        spans = [span for symbol in symbols if (span := await candles.span(symbol)) is not None]
        end_ms = max((span[1] for span in spans), default=opened_ms)
        delay_ms = rules.settings.engine.first_price_delay_ms
        told = replay_cursors(self._point, rules.settings.market.interval_ms)
        feed = ReplayFeed(candles, symbols, opened_ms, end_ms, delay_ms, told)
        self._market = ToldMarket(feed.events(), delay_ms)

    async def follow(self, records: Iterator[tuple[int, Record]], first_seq: int, last_seq: int) -> None:
        """Take the journal's places one by one, until the first at which it and the trader part."""
        ahead = next(records, None)
        for seq in range(first_seq, last_seq + 1):
            record = None
            if ahead is not None and ahead[0] == seq:
                record, ahead = ahead[1], next(records, None)
            following = ahead[1] if ahead is not None and ahead[0] == seq + 1 else None
            await self._take(seq, record, following)
            if self.difference is not None:
                return
            self._records += 1

    def _reach(self, symbols: Sequence[str]) -> None:
        """Symbols that join, or come back, begin where the newest is."""
        bars = (CursorRecord(*item) for item in self._point.bars.items())
        told = self._point.prices
        prices = (FirstPriceRecord(symbol, ms, told.get(symbol)) for symbol, ms in self._point.first_prices.items())
        self._point = resume_point(rejoining([*bars, *prices], self._away.intersection(symbols)), symbols)
        self._away.difference_update(symbols)

    async def _take(self, seq: int, record: Record | None, following: Record | None) -> None:
        if not self._expected:
            if isinstance(record, TrainingRecord | AgedRecord) or _only_told(record):
                return
            if isinstance(record, LimitRecord) and record.event.limit == limits.BOOKS.name:
                self._trader.guard.apply(record.event)
                return
            await self._feed(seq, record, following)
            if self.difference is not None:
                return
        if not self._expected:
            self._part(seq, record, record_text.whole(record) if record else _NOTHING, None)
            return
        said = self._expected.popleft()
        if isinstance(said, FirstPriceRecord) and isinstance(record, FirstPriceRecord) and record.price is None:
            said = replace(said, price=None)
        self._note(said)
        if record is None and not isinstance(said, _CURSORS):
            self._part(seq, None, f"{_NOTHING}: a record is missing", said)
        elif record is not None and not self._is_same(record, said):
            self._part(seq, record, *record_text.differing(record, said))

    async def _feed(self, seq: int, record: Record | None, following: Record | None) -> None:
        """Tell the trader what the journal says came next, and keep what it answers."""
        event: TraderEvent | None = None
        match record:
            case None | CursorRecord() | FirstPriceRecord():
                event = await self._told(seq, record)
                if event is None:
                    return
                self._now_ms = event_time_ms(event)
            case OrderUpdateRecord(update, _):
                event = update
                self._send_first(update.symbol, update.client_order_id, update)
            case FillRecord(fill, _):
                event = fill
                self._send_first(fill.symbol, fill.client_order_id, None)
            case IntentRecord(order):
                # An order that only the venue knew, a liquidation, is journalled just before its fill.
                if isinstance(following, FillRecord) and following.fill.client_order_id == order.client_order_id:
                    event = following.fill
            case FundingRecord(payment):
                event = payment
            case AdjustmentRecord(adjustment_id, time_ms, _, what, amount_usdt=amount_usdt):
                event = WalletAdjustment(adjustment_id, time_ms, amount_usdt, what)
            case LimitRecord(told) if told.limit == limits.CONNECTION.name:
                event = VenueHealth(told.time_ms, told.note)
            case LimitRecord(told) if told.limit == limits.CONTRACT.name:
                event = VenueHealth(told.time_ms, told.note, told.symbol)
            case LimitRecord(told) if told.limit == FUNDING_QUIET.name:
                event = FundingDue(told.symbol, told.time_ms, told.until_ms or 0)
            case LimitRecord(told) if told.limit in limits.ALARMS:
                event = Alarm(told.time_ms, told.limit, told.note, told.symbol)
            case WatchRecord(time_ms):
                event = Watch(time_ms)
            case ForecastRecord(forecast):
                event = forecast
            case SignalRecord(signal):
                # Where no forecast led to it, an exit rule was asked without one.
                event = Silence(signal.symbol, signal.time_ms)
            case OperatorRecord(command, _):
                event = command
            case EquityRecord(sample):
                event = Timer(sample.time_ms)
                if strange := await self._market.out_of_step(sample.time_ms):
                    self._part(seq, record, record_text.whole(record), strange)
                    return
            case _:
                pass
        if event is not None:
            self._handle(seq, record, event)

    async def _told(self, seq: int, record: CursorRecord | FirstPriceRecord | None) -> Bar | FirstPrice | None:
        """What the market told here; None where that cannot be found, which is noted where it is a difference."""
        if record is None:
            event = await self._market.next()
            missing = "a bar or first price, or a record that is missing"
        else:
            event = await self._market.named(record)
            missing = record_text.whole(record)
        if event is None and isinstance(record, FirstPriceRecord):
            # Its minute was open when an older program ended, which did not keep the price: nobody can tell it again.
            self._expected.append(record)
        elif event is None:
            self._part(seq, record, missing, await self._market.instead())
        return event

    def _handle(self, seq: int, record: Record | None, event: TraderEvent) -> None:
        if isinstance(event, Bar):
            self._point.bars[event.symbol] = event.open_time_ms
        elif isinstance(event, FirstPrice):
            self._point.first_prices[event.symbol] = event.open_time_ms
            self._point.prices[event.symbol] = event.price
            self._expected.append(FirstPriceRecord(event.symbol, event.open_time_ms, event.price))
        try:
            commands = self._trader.handle(event)
        except (QuarterdeckError, KeyError, ValueError) as error:
            self._part(seq, record, record_text.whole(record) if record else _NOTHING, f"cannot take it: {error}")
            return
        self._expected.extend(command.record for command in commands if isinstance(command, Journal))

    def _send_first(self, symbol: str, client_order_id: str, update: OrderUpdate | None) -> None:
        """That an order was sent is not journalled: it follows from the next news of it."""
        book = self._trader.state.symbols.get(symbol)
        order = book.orders.get(client_order_id) if book is not None else None
        if order is None:
            return
        again = update is not None and update.state is OrderState.UNKNOWN and order.state is OrderState.UNKNOWN
        if order.state is OrderState.INTENT or again:
            self._trader.handle(OrderUpdate(client_order_id, symbol, OrderState.SENT, order.updated_ms))

    def _is_same(self, record: Record, said: Record) -> bool:
        """To the bit, but for the words of what clears a limit and of what a signal compared; where the account was
        counted in more than one grid, to the value."""
        if record_text.bits(record) == record_text.bits(said):
            return True
        record, said = _without_words(record), _without_words(said)
        if isinstance(record, SignalRecord) and isinstance(said, SignalRecord) and _lacks_figures(record):
            said = SignalRecord(replace(said.signal, because=record.signal.because))
        text = record_text.values if self._is_mixed else record_text.bits
        return text(record) == text(said)

    def _note(self, said: Record) -> None:
        self._digest.update(record_text.bits(said).encode() + b"\n")
        self._decisions += isinstance(said, DECISIONS)

    def _part(self, seq: int, record: Record | None, journal: str, trader: Record | str | None) -> None:
        at_ms = self._now_ms
        if record is not None:
            at_ms = record_text.time_ms(record) or at_ms
        words = _NOTHING if trader is None else trader if isinstance(trader, str) else record_text.whole(trader)
        self.difference = Difference(seq, at_ms, journal, words)


def _without_words(record: Record) -> Record:
    """Without the words of what clears a limit and of what a signal compared, which are the program's and may be others
    in a later one."""
    match record:
        case LimitRecord(event):
            return LimitRecord(replace(event, clears=""))
        case SignalRecord(signal):
            reason = signal.reason.partition("; clears ")[0]
            if signal.action is SignalAction.ENTER:
                reason = reason.partition("; ")[2]
            because = tuple(replace(one, what="", unit="", note="") for one in signal.because)
            return SignalRecord(replace(signal, reason=reason, because=because))
        case _:
            return record


def _lacks_figures(record: SignalRecord) -> bool:
    """Whether it is one of before figures were kept, which has words alone."""
    return all(one.value is None and one.needed is None for one in record.signal.because)


def _only_told(record: Record | None) -> bool:
    """Whether a record tells of a difference that moved nothing, or of a wish that was only kept."""
    match record:
        case AdjustmentRecord():
            return not record.amount_usdt
        case OperatorRecord(command):
            return command.command_id.endswith(KEPT_ID)
        case _:
            return False
