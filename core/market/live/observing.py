"""An exchange's streams beside bars as they come: pushed and polled, told as observations through one bounded queue."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from core.domain.errors import BadInputError, DataError, UnavailableError, VenueRejectedError
from core.domain.stream import Observation
from core.exchange.connection.wire import Reads, Wire
from core.exchange.dialects import observed_of
from core.exchange.markets.observed import Numbered, Pushed, Row
from core.market.kinds import FUNDING
from core.market.live.polled import FundingPoll, HistoryPoll
from core.market.live.ration import Rationed
from core.market.live.streams import Stream, StreamPlan
from core.market.live.told import UNREADABLE, rows_read
from core.market.streams import stream
from core.ports import SettledFunding

log = logging.getLogger("quarterdeck.market")

ROOM = 20_000
"""So many observations wait to be taken; what comes beyond them is lost, and told."""

STALE_MS, SAMPLE_MS = 10_000, 1_000
WEIGHT_AN_HOUR = 6_000
"""What polling may take of an exchange's ordinary rate limit where nothing else is said."""

_PAUSE_S = 2.0
"""Frames are heard at once, whenever ccxt's watch is looked at."""

_LOOKS, _LOOK_S = 30, 0.1
"""For the answer to a ping."""


def live_names(exchange_id: str, names: Sequence[str], *, short: bool = False) -> tuple[str, ...]:
    """The streams of these names, each once, that the exchange tells as they happen. With `short`, a family that is
    told of periods alone stands for its finest.

    Raises BadInputError for one that is none, or that the exchange does not tell, with why.
    """
    observed = observed_of(exchange_id)
    found = []
    for name in names:
        family, _, period = name.partition(".")
        if short and not period and family in observed.histories:
            name, period = f"{family}.{observed.histories[family].periods[0]}", observed.histories[family].periods[0]
        stream(name)
        is_told = period in observed.histories[family].periods if family in observed.histories and period else False
        if not is_told and (period or not (name in observed.pushed or (name == FUNDING and observed.has_funding))):
            raise BadInputError(f"stream {name}: {exchange_id} {_why_not(exchange_id, family, period)}")
        found.append(name)
    return tuple(dict.fromkeys(found))


def told_names(exchange_id: str) -> list[str]:
    """What it tells as it happens, by name; of a stream of periods the finest."""
    observed = observed_of(exchange_id)
    finest = [f"{family}.{history.periods[0]}" for family, history in observed.histories.items()]
    return [*([FUNDING] if observed.has_funding else []), *observed.pushed, *finest]


def _why_not(exchange_id: str, family: str, period: str) -> str:
    observed = observed_of(exchange_id)
    told = ", ".join(told_names(exchange_id))
    if family in observed.histories and period:
        return f"tells it of {', '.join(observed.histories[family].periods)}"
    return f"does not tell it live: {observed.lacks.get(family, 'it has no such stream')}; it tells {told}"


def _nobody_waits() -> None:
    """How a stream is doing is looked at with what it told."""


class LiveStreams:
    """Observations of `symbols` on the streams `names` (see `live_names`), by what the exchange pushes and by REST
    reads that go through `reads`. `run` keeps the streams; `taken` is what a consumer calls beside it. A stream with
    marks that are `followed` is kept by somebody else on this client, and listened to here. `changed` is called when
    one of `pushed` comes or goes.

    A row that cannot be read is logged and left out. `known_ms` of each is when it was received.
    """

    def __init__(
        self,
        wire: Wire,
        symbols: Sequence[str],
        names: Sequence[str],
        *,
        reads: Reads | None = None,
        stale_ms: int = STALE_MS,
        sample_ms: int = SAMPLE_MS,
        followed: Collection[tuple[str, ...]] = (),
        changed: Callable[[], None] = _nobody_waits,
    ) -> None:
        self._clock = wire.clock
        self._client = wire.client
        self._reads: Reads = wire if reads is None else reads
        self._symbols = {wire.unified(symbol): symbol for symbol in symbols}
        self._sample_ms = sample_ms
        self._waiting: deque[Observation] = deque()
        self._stir = asyncio.Event()
        self._newest: dict[str, int] = {}
        self._sampled: dict[tuple[str, str], int] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._left_out = 0
        self._untaps: list[Callable[[], None]] = []
        self.lost: Counter[str] = Counter()
        observed = observed_of(wire.client.id)
        self.pushed: dict[str, Stream] = {}
        for name in names:
            if (pushed := observed.pushed.get(name)) is not None:
                self._untaps.append(_tap(self._client, pushed.handler, partial(self._heard, name, pushed)))
                if pushed.marks not in followed:
                    self.pushed[name] = self._follow(name, pushed, stale_ms, changed)
        self._polls = [
            HistoryPoll(self._reads, observed.histories[family], stream(name), symbols, self._put, self.refuse)
            for name in names
            if (family := name.partition(".")[0]) in observed.histories and "." in name
        ]
        self._has_funding = FUNDING in names

    async def run(self) -> None:
        """Keep the streams until canceled. Once only: then nothing more is heard."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in self.pushed.values():
                    group.create_task(one.run())
                for poll in self._polls:
                    group.create_task(poll.run())
                if self._has_funding:
                    told_ms = dict.fromkeys(self._symbols.values(), self._clock.now_ms())
                    group.create_task(FundingPoll(self._reads, told_ms, self._settled).run())
                # Where the exchange offers none of it there is still somebody who waits.
                group.create_task(asyncio.Event().wait())
        finally:
            for untap in reversed(self._untaps):
                untap()

    async def taken(self, timeout_s: float | None = None) -> list[Observation]:
        """All that waits, in the order in which it came; once something does, or the time is over."""
        if not self._waiting:
            self._stir.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._stir.wait()
            except TimeoutError:
                return []
        return self.waiting()

    def waiting(self) -> list[Observation]:
        """All that waits now."""
        found = list(self._waiting)
        self._waiting.clear()
        return found

    def _follow(self, name: str, pushed: Pushed, stale_ms: int, changed: Callable[[], None]) -> Stream:
        client, watch = self._client, getattr(self._client, pushed.watch)
        asked: list[Any] = [list(self._symbols)] if pushed.takes_many else list(self._symbols)
        watches = [partial(_watch, watch, one, pushed.params) for one in asked]
        numbered, is_quiet = observed_of(client.id).numbered.get(name), None
        if pushed.may_be_silent:
            is_quiet = partial(_answers, client, pushed.marks)
        elif numbered is not None:
            is_quiet = partial(self._has_no_more, name, numbered)
        plan = StreamPlan(name, pushed.marks, watches, partial(self._newest.get, name), _PAUSE_S, is_quiet)
        return Stream(plan, client, self._clock, pushed.silent_ms or stale_ms, changed)

    def _heard(self, name: str, pushed: Pushed, frame: Row) -> None:
        """A frame that the client took in just now."""
        now_ms, its = self._clock.now_ms(), stream(name)
        try:
            rows = pushed.read(self._client, frame)
        except UNREADABLE as error:
            text = f"a frame of {name} cannot be read and was left out: {type(error).__name__}: {str(error)[:80]}"
            self.refuse(DataError(text))
            # It is alive all the same.
            self._newest[name] = now_ms
            return
        for told in rows:
            symbol = self._symbols.get(told.unified)
            if symbol is None:
                continue
            self._newest[name] = now_ms
            # By the clock, so that what comes once a second is not passed over where it comes a little early.
            turn = now_ms // self._sample_ms
            if pushed.is_sampled and self._sampled.get((name, symbol)) == turn:
                continue
            found = rows_read(symbol, its, [lambda told=told: told], now_ms, self.refuse)  # type: ignore[misc]
            if found:
                self._sampled[name, symbol] = turn
                self._numbers[name, symbol] = found[-1].number
                self._put(found)

    async def _has_no_more(self, name: str, numbered: Numbered) -> bool:
        """Whether REST has nothing behind the numbers that a silent stream told last."""
        last = {symbol: number for (of, symbol), number in self._numbers.items() if of == name}
        try:
            found = [
                await numbered.ask(self._reads, self._reads.unified(symbol), number + 1)
                for symbol, number in last.items()
            ]
        except (UnavailableError, VenueRejectedError):
            return False
        return len(last) == len(self._symbols) and not any(found)

    async def _settled(self, rates: list[SettledFunding]) -> None:
        now_ms = self._clock.now_ms()
        self._put([
            Observation(rate.symbol, FUNDING, rate.time_ms, max(now_ms, rate.time_ms), (float(rate.rate),))
            for rate in rates
        ])  # fmt: skip

    def _put(self, observations: Sequence[Observation]) -> None:
        for one in observations:
            if len(self._waiting) < ROOM:
                self._waiting.append(one)
                continue
            self.lost[one.stream] += 1
            if _is_told(self.lost[one.stream]):
                log.warning("%s: nobody takes what comes as fast as it does: %d observations were lost so far",
                            one.stream, self.lost[one.stream])  # fmt: skip
        self._stir.set()

    def refuse(self, error: DataError) -> None:
        """Of many, ever fewer are told."""
        self._left_out += 1
        if _is_told(self._left_out):
            log.warning("%s (%d so far)", error, self._left_out)


async def live_streams(wire: Wire, symbols: Sequence[str], names: Sequence[str]) -> AsyncGenerator[Observation, None]:
    """Observations of `symbols` on the streams `names`, as they are received, until it is closed (contextlib.aclosing).

    Raises BadInputError for a stream that the exchange does not tell (see `live_names`). What is not consumed in time
    is lost from ROOM on, and logged.
    """
    reads = Rationed(wire, WEIGHT_AN_HOUR)
    streams = LiveStreams(wire, symbols, live_names(wire.client.id, names), reads=reads)
    running = asyncio.ensure_future(streams.run())
    taking = asyncio.ensure_future(streams.taken())
    try:
        while True:
            await asyncio.wait({running, taking}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            for one in await taking:
                yield one
            taking = asyncio.ensure_future(streams.taken())
    finally:
        running.cancel()
        taking.cancel()
        await asyncio.gather(running, taking, return_exceptions=True)


def _tap(client: Any, handler: str, heard: Callable[[Row], None]) -> Callable[[], None]:
    """Have `heard` told of every frame that the client's method `handler` took in, until what is returned is called."""
    handle, is_over = getattr(client, handler), False

    def tapped(connection: Any, message: Any) -> None:
        handle(connection, message)
        if not is_over:
            heard(message)

    def untap() -> None:
        nonlocal is_over
        is_over = True
        # Another one may have tapped it since.
        if getattr(client, handler) is tapped:
            setattr(client, handler, handle)

    setattr(client, handler, tapped)
    return untap


async def _watch(watch: Any, asked: Any, params: Mapping[str, Any]) -> Any:
    return await watch(asked, params=dict(params))


async def _answers(client: Any, marks: tuple[str, ...]) -> bool:
    """Whether the connections of a stream answer a ping: of what tells of events alone nothing else tells silence from
    a connection that is dead."""
    connections = [
        connection
        for connection in list(client.clients.values())
        if any(str(name).startswith(marks) for name in [*connection.subscriptions, *connection.futures])
    ]
    return bool(connections) and all([await _answers_ping(connection) for connection in connections])


async def _answers_ping(connection: Any) -> bool:
    before = connection.lastPong
    try:
        await connection.connection.ping()
    except (ConnectionError, AttributeError):
        return False
    for _ in range(_LOOKS):
        await asyncio.sleep(_LOOK_S)
        if connection.lastPong != before:
            return True
    return False


def _is_told(count: int) -> bool:
    return count & (count - 1) == 0
