"""Gathers an exchange's streams: batches of what comes into the store, what was missed by REST, and a report."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.domain.errors import BadInputError, UnavailableError, VenueRejectedError
from core.domain.stream import Observation
from core.exchange.connection.wire import Wire
from core.exchange.dialects import EXCHANGES, observed_of
from core.market.collecting.holes import MissedNumbers, Span, missed_periods
from core.market.collecting.store import CollectStore, Listened
from core.market.forgetting import keep_for
from core.market.kinds import FUNDING
from core.market.live.observing import LiveStreams
from core.market.live.polled import FundingPoll, history_pages, numbered_pages
from core.market.live.ration import Rationed
from core.market.streams import stream
from core.ports import SettledFunding
from core.trader.account import iso

log = logging.getLogger("quarterdeck.collect")

MOST_MISSED = 1_000
"""So many holes wait to be filled; what is beyond them is filled after the next start."""

MOST_PASSED_OVER = 100_000_000
"""No market tells so many rows between two that are looked at: a number beyond is a slip, and nothing is asked for."""

BATCH_ROWS = 500
"""At most so many rows in one transaction: some 15 ms in which nobody else writes."""

_POLLING_PART = 4
_FILL_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is gathered and how: streams by full name, `keep_ms` by stream where rows go again, `fill_ms` how far back
    what was missed is asked for, and how much weight an hour REST may take of the exchange's ordinary limit."""

    symbols: tuple[str, ...]
    streams: tuple[str, ...]
    keep_ms: Mapping[str, int]
    batch_ms: int
    sample_ms: int
    stale_ms: int
    fill_ms: int
    weight_an_hour: int
    min_free_bytes: int


@dataclass(frozen=True, slots=True)
class Missed:
    """A hole that REST may fill: numbers, or periods that begin in a span."""

    symbol: str
    stream: str
    what: MissedNumbers | Span


@dataclass(slots=True)
class Told:
    """How many rows came, were filled, and went, by symbol and stream."""

    stored: Counter[tuple[str, str]] = field(default_factory=Counter)
    filled: Counter[tuple[str, str]] = field(default_factory=Counter)
    forgotten: Counter[tuple[str, str]] = field(default_factory=Counter)


class Collector:
    """One gathering, from `run` on. `rest` is awaited before each transaction, `free_bytes` tells what is left of the
    disk, `tell` hears what the operator should know, a line each.

    What is not written yet is lost where it is canceled or killed, and no more than that.
    """

    def __init__(
        self,
        wire: Wire,
        store: CollectStore,
        asked: Gathering,
        *,
        rest: Callable[[], Awaitable[None]],
        free_bytes: Callable[[], int],
        tell: Callable[[str], None],
    ) -> None:
        self._wire = wire
        self._clock = wire.clock
        self._store = store
        self._asked = asked
        self._rest = rest
        self._free_bytes = free_bytes
        self._tell = tell
        self._observed = observed_of(wire.client.id)
        # What comes now waits for no hole that is filled.
        polling = asked.weight_an_hour // _POLLING_PART
        self._polls, self._fills = Rationed(wire, polling), Rationed(wire, asked.weight_an_hour - polling)
        streams = [name for name in asked.streams if name != FUNDING]
        self._live = LiveStreams(
            wire, asked.symbols, streams, reads=self._polls, stale_ms=asked.stale_ms, sample_ms=asked.sample_ms
        )
        self._numbered = [name for name in asked.streams if name in self._observed.numbered]
        self._events = [n for n in self._live.pushed if not stream(n).is_steady and n not in self._observed.numbered]
        self._last: dict[tuple[str, str], int] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        self._cuts: dict[str, int] = {}
        self._missed: deque[Missed] = deque()
        self._stir = asyncio.Event()
        self.told = Told()
        self.since_ms = self._clock.now_ms()

    @property
    def spent(self) -> int:
        """Weight of the exchange's limit that reads took."""
        return self._polls.spent + self._fills.spent

    @property
    def lost(self) -> Counter[str]:
        """What the queue had no room for, by stream."""
        return self._live.lost

    async def run(self, should_stop: Callable[[], bool]) -> str:
        """Until `should_stop`, asked after each batch, which ends it with all stored that came; or until the disk has
        less left than it may: what is said then, else nothing.

        Raises BadInputError where another exchange's market is stored of a symbol, StorageError.
        """
        await self._check_market()
        if full := self._full():
            return full
        await self._find_missed()
        jobs = [self._live.run(), self._fill(), self._forget()]
        if FUNDING in self._asked.streams:
            jobs.append((await self._funding()).run())
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(job) for job in jobs]
            try:
                full = await self._write_until(should_stop)
            finally:
                for task in beside:
                    task.cancel()
        return full

    async def _write_until(self, should_stop: Callable[[], bool]) -> str:
        while not should_stop():
            await asyncio.sleep(self._asked.batch_ms / 1_000)
            await self._write()
            if full := self._full():
                return full
        await self._write()
        return ""

    async def _write(self) -> None:
        """What came since the last time."""
        found = self._live.waiting()
        self.told.stored.update(await self._put(found, self._listened()))
        self._note_numbers(found)

    async def _put(
        self, observations: Sequence[Observation], listened: Sequence[Listened] = ()
    ) -> Counter[tuple[str, str]]:
        """How many were new. What was listened to is told with the last of it."""
        added: Counter[tuple[str, str]] = Counter()
        starts = range(0, len(observations), BATCH_ROWS) or range(1 if listened else 0)
        for start in starts:
            is_last = start == starts[-1]
            await self._rest()
            part = observations[start : start + BATCH_ROWS]
            added.update(await self._store.append(part, listened if is_last else ()))
        return added

    def _note_numbers(self, observations: Sequence[Observation]) -> None:
        """Look for numbers that were passed over."""
        for one in observations:
            if one.stream not in self._numbered:
                continue
            key = one.symbol, one.stream
            last = self._last.get(key)
            if last is not None and one.number > last + MOST_PASSED_OVER:
                self._tell(f"{one.symbol}: number {one.number} of {one.stream} does not follow {last}; no hole of it")
                continue
            if last is not None and one.number > last + 1:
                self._miss(Missed(*key, MissedNumbers(last + 1, one.number - 1, one.time_ms, one.time_ms)))
            self._last[key] = one.number if last is None else max(last, one.number)

    def _miss(self, missed: Missed) -> None:
        if len(self._missed) >= MOST_MISSED:
            self._tell(f"{_text(missed)}: too many holes wait already; it is asked for after the next start")
            return
        self._missed.append(missed)
        self._stir.set()

    def _listened(self) -> list[Listened]:
        """Until when streams of events are known to have been heard without a break."""
        found = []
        for name in self._events:
            its = self._live.pushed[name]
            until_ms = its.heard_until_ms
            if until_ms is None:
                self._spans.pop(name, None)
                continue
            if self._cuts.get(name) != its.cuts:
                self._spans.pop(name, None)
            self._cuts[name] = its.cuts
            from_ms = self._spans.get(name, (until_ms, 0))[0]
            if self._spans.get(name) != (from_ms, until_ms):
                self._spans[name] = (from_ms, until_ms)
                found += [Listened(symbol, name, from_ms, until_ms) for symbol in self._asked.symbols]
        return found

    async def _find_missed(self) -> None:
        """The holes that earlier gatherings left, as far back as they are asked for."""
        now_ms = self._clock.now_ms()
        from_ms = now_ms - self._asked.fill_ms
        for name in self._numbered:
            for symbol in self._asked.symbols:
                for missed in await self._store.missed_numbers(symbol, name, from_ms):
                    # One that begins before is too old.
                    if missed.after_ms >= from_ms:
                        self._miss(Missed(symbol, name, missed))
                last = await self._store.last(symbol, name)
                if last is not None and last[0] >= from_ms:
                    self._last[symbol, name] = last[1]
                elif last is not None:
                    self._tell(f"{symbol}: the last of {name} is of {iso(last[0])}; what was since stays a hole")
        for name, family in self._periodic():
            period_ms = stream(name).period_ms
            oldest_ms = max(from_ms, now_ms - self._observed.histories[family].reach_ms)
            for symbol in self._asked.symbols:
                times = await self._store.times(symbol, name, oldest_ms)
                if len(times):
                    # What follows the last period that is over comes by itself.
                    over_ms = now_ms // period_ms * period_ms - period_ms
                    for span in missed_periods(times, int(times[0]), over_ms, period_ms):
                        self._miss(Missed(symbol, name, span))

    def _periodic(self) -> list[tuple[str, str]]:
        families = ((name, name.partition(".")[0]) for name in self._asked.streams if "." in name)
        return [(name, family) for name, family in families if family in self._observed.histories]

    async def _fill(self) -> None:
        """Ask for what was missed, the oldest first, for ever."""
        while True:
            while not self._missed:
                self._stir.clear()
                await self._stir.wait()
            missed = self._missed[0]
            try:
                filled = await self._fill_one(missed)
            except UnavailableError as error:
                log.warning("%s cannot be filled now: %s", _text(missed), error)
                await asyncio.sleep(_FILL_AGAIN_S)
                continue
            except VenueRejectedError as error:
                self._tell(f"{_text(missed)} is refused, and asked for after the next start: {error}")
            else:
                self._tell(f"{_text(missed)}: {filled:,} rows of it came by REST")
            self._missed.popleft()

    async def _fill_one(self, missed: Missed) -> int:
        symbol, name, what = missed.symbol, missed.stream, missed.what
        its, refuse, filled = stream(name), self._live.refuse, 0
        if isinstance(what, MissedNumbers):
            numbered = self._observed.numbered[name]
            pages = numbered_pages(self._fills, numbered, its, symbol, what.first, what.last, refuse)
        else:
            history = self._observed.histories[name.partition(".")[0]]
            pages = history_pages(self._fills, history, its, symbol, *what, refuse)
        async for page in pages:
            added = await self._put(page)
            filled += sum(added.values())
            self.told.filled.update(added)
            if page:
                # Where the next one fails, it goes on from here.
                self._missed[0] = Missed(symbol, name, _behind(what, page[-1], its.period_ms))
        return filled

    async def _funding(self) -> FundingPoll:
        now_ms = self._clock.now_ms()
        told_ms = {}
        for symbol in self._asked.symbols:
            until_ms = await self._store.funding_until(symbol)
            told_ms[symbol] = max(until_ms or now_ms, now_ms - self._asked.fill_ms)
        return FundingPoll(self._polls, told_ms, self._settled)

    async def _settled(self, rates: list[SettledFunding]) -> None:
        await self._rest()
        added = await self._store.append_funding(rates)
        self.told.stored[rates[0].symbol, FUNDING] += added

    async def _forget(self) -> None:
        def count(symbol: str, name: str, gone: int) -> None:
            self.told.forgotten[symbol, name] += gone

        asked = self._asked
        await keep_for(self._store.forget, asked.symbols, asked.keep_ms, self._clock.now_ms, self._rest, count)

    async def _check_market(self) -> None:
        """Raises BadInputError: in one series two exchanges' prices would be a market that never was."""
        ours = self._wire.client.id
        for symbol in self._asked.symbols:
            stored = {name.partition(" ")[0] for name in await self._store.sources(symbol)}
            if others := sorted(stored & set(EXCHANGES) - {ours}):
                raise BadInputError(
                    f"{symbol}: what is stored of it is of {others[0]}, and that of {ours} is another market; gather "
                    "it in another folder with --home"
                )

    def _full(self) -> str:
        """Why there is no room on the disk; empty where there is."""
        free, least = self._free_bytes(), self._asked.min_free_bytes
        if free >= least:
            return ""
        return (
            f"{free / 1e6:,.0f} MB are free on the disk, and {least / 1e6:,.0f} are to stay free: nothing more is "
            "gathered; free some, or lower collect.min_free_disk_mb or --min-free-disk"
        )


def _behind(what: MissedNumbers | Span, last: Observation, period_ms: int) -> MissedNumbers | Span:
    """What is left of a hole, filled up to a row."""
    if isinstance(what, MissedNumbers):
        return replace(what, first=last.number + 1, after_ms=last.time_ms)
    return last.time_ms + period_ms, what[1]


def _text(missed: Missed) -> str:
    what = missed.what
    if isinstance(what, MissedNumbers):
        return f"{missed.symbol}: a hole of {what.count:,} in {missed.stream} up to {iso(what.before_ms)}"
    return f"{missed.symbol}: a hole in {missed.stream} from {iso(what[0])} to {iso(what[1])}"
