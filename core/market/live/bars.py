"""Which bars and first prices are given out, and when: each once, final, in order. Without I/O."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, MarketBatch, MarketEvent
from core.market.replay.events import event_time_ms
from core.trader.account import iso

log = logging.getLogger("quarterdeck.market")

FRESH_MS = 15_000
"""Bars and prices older than this when they are given out are not decided on."""

SUCCEEDED_MS = 500
"""So long after its successor's first frame a candle's own closing frame is still waited for."""

_MEMORY_BARS = 2_000
_BAR, _FUNDING, _FIRST_PRICE = range(3)

_Key = tuple[int, int]
"""A place in the order of what is given: the minute, and the rank of the kind within it."""


@dataclass(slots=True)
class _Run:
    """One symbol. `bar_ms` and `first_ms` are the open times of the bar and of the first price to give next."""

    symbol: str
    interval_ms: int
    bar_ms: int = -1
    first_ms: int = -1
    newest_ms: int = -1
    closed: dict[int, Bar] = field(default_factory=dict)
    opens: dict[int, float] = field(default_factory=dict)
    succeeded: dict[int, int] = field(default_factory=dict)
    given: Bar | None = None
    given_first: tuple[int, float] = (-1, 0.0)

    @property
    def key(self) -> _Key:
        return min((self.bar_ms + self.interval_ms, _BAR), (self.first_ms, _FIRST_PRICE))

    def has(self, rank: int) -> bool:
        if rank == _BAR:
            return self.bar_ms in self.closed
        return self.first_ms in self.opens or self.first_ms in self.closed

    def lacks_from(self) -> int:
        """The open time of the first bar that is not known to be closed."""
        open_ms = self.bar_ms
        while open_ms in self.closed:
            open_ms += self.interval_ms
        return open_ms


class LiveBars:
    """Takes in what is known of candles of `interval_ms`, and gives batches: at each of their ends the bars of all
    symbols as soon as all are there or `grace_ms` is over, then its funding, then first prices `first_price_delay_ms`
    after it. A symbol that is late gets batches of its own. Nothing is given before `begin`.
    """

    def __init__(self, symbols: Sequence[str], grace_ms: int, first_price_delay_ms: int, interval_ms: int) -> None:
        self._runs = {symbol: _Run(symbol, interval_ms) for symbol in symbols}
        self._interval_ms = interval_ms
        self._grace_ms = grace_ms
        self._delay_ms = first_price_delay_ms
        self._rates: list[FundingRate] = []
        self._held: dict[int, int] = {}

    def begin(self, symbol: str, bar_open_ms: int, first_open_ms: int) -> None:
        """The next bar and first price to give, by their open times."""
        run = self._runs[symbol]
        run.bar_ms, run.first_ms = bar_open_ms, max(bar_open_ms, first_open_ms)
        run.closed = {open_ms: bar for open_ms, bar in run.closed.items() if open_ms >= bar_open_ms}

    def opened(self, bar: Bar, now_ms: int) -> None:
        """A candle that may still be open. Its open is a first price once there was a trade."""
        run = self._runs[bar.symbol]
        if bar.volume > 0 and bar.open_time_ms >= run.first_ms:
            run.opens.setdefault(bar.open_time_ms, bar.open)
            while len(run.opens) > _MEMORY_BARS:
                del run.opens[min(run.opens)]
        if bar.open_time_ms > run.newest_ms:
            run.newest_ms = bar.open_time_ms
            before_ms = bar.open_time_ms - self._interval_ms
            if before_ms not in run.closed:
                run.succeeded = {before_ms: now_ms}

    def closed(self, bar: Bar) -> bool:
        """The final values of a candle; whether they were news. The first that are told stay."""
        run = self._runs[bar.symbol]
        known = run.closed.get(bar.open_time_ms)
        if known is None and run.given is not None and run.given.open_time_ms == bar.open_time_ms:
            known = run.given
        if known is not None and known != bar:
            log.warning("%s: the exchange changed its bar of %s after it closed; the first is kept: %s, then %s",
                        bar.symbol, iso(bar.open_time_ms), known, bar)  # fmt: skip
        if known is not None or bar.open_time_ms < run.bar_ms:
            return False
        run.closed[bar.open_time_ms] = bar
        run.newest_ms = max(run.newest_ms, bar.open_time_ms)
        if run.bar_ms < 0 and len(run.closed) > _MEMORY_BARS:
            del run.closed[min(run.closed)]
        return True

    def skip(self, symbol: str) -> tuple[int, int] | None:
        """Go on behind bars that the exchange does not have: the span left out, None where nothing follows it."""
        run = self._runs[symbol]
        from_ms = run.lacks_from()
        later = [open_ms for open_ms in (*run.closed, *run.opens) if open_ms > from_ms]
        if not later or from_ms != run.bar_ms:
            return None
        run.bar_ms = min(later)
        run.first_ms = max(run.first_ms, run.bar_ms)
        return from_ms, run.bar_ms

    def settled(self, rates: Iterable[FundingRate]) -> None:
        """Funding that was settled, each rate told once."""
        self._rates = sorted(
            [*self._rates, *rates], key=lambda rate: (rate.time_ms, list(self._runs).index(rate.symbol))
        )

    def hold(self, minute_ms: int, until_ms: int) -> None:
        """Let the first prices of a minute wait for its funding; the past releases them."""
        self._held = {minute_ms: until_ms}

    def due(self, now_ms: int) -> MarketBatch | None:
        """The next batch that may be given now; it counts as given."""
        waiting: dict[_Key, list[_Run]] = {}
        for run in self._runs.values():
            if run.bar_ms >= 0:
                waiting.setdefault(run.key, []).append(run)
        if self._rates and waiting:
            waiting.setdefault((event_time_ms(self._rates[0]), _FUNDING), [])
        for (minute_ms, rank), runs in sorted(waiting.items(), key=lambda item: item[0]):
            if rank == _FUNDING:
                return self._give_rates(minute_ms, now_ms)
            if rank == _FIRST_PRICE and now_ms < max(minute_ms + self._delay_ms, self._held.get(minute_ms, 0)):
                return None
            ready = [run for run in runs if run.has(rank)]
            if len(ready) < len(runs) and now_ms < minute_ms + (self._grace_ms if rank == _BAR else self._delay_ms):
                return None
            if ready:
                return self._give(minute_ms, rank, ready, now_ms)
        return None

    def wanted(self, now_ms: int, *, first_prices: bool) -> list[tuple[str, int]]:
        """What a REST read should bring: symbols, and the open time from which bars are overdue.

        With `first_prices`, those that are overdue count as well; a stream that works brings them with the first trade.
        """
        found = []
        for run in self._runs.values():
            if run.bar_ms < 0:
                continue
            open_ms = run.lacks_from()
            overdue_ms = self._overdue_ms(open_ms)
            if open_ms in run.succeeded:
                overdue_ms = min(overdue_ms, run.succeeded[open_ms] + SUCCEEDED_MS)
            if now_ms >= overdue_ms:
                found.append((run.symbol, open_ms))
            elif (
                first_prices and not run.has(_FIRST_PRICE) and now_ms >= run.first_ms + self._delay_ms + self._grace_ms
            ):
                found.append((run.symbol, run.first_ms))
        return found

    def wake_ms(self, now_ms: int) -> int:
        """When something may become due or wanted by the passing of time alone."""
        times = [now_ms + MINUTE_MS]
        for run in self._runs.values():
            if run.bar_ms >= 0:
                times += [run.lacks_from() + self._interval_ms + self._grace_ms, self._overdue_ms(run.lacks_from())]
                times += [told_ms + SUCCEEDED_MS for told_ms in run.succeeded.values()]
                times += [run.first_ms + self._delay_ms, run.first_ms + self._delay_ms + self._grace_ms]
        times += self._held.values()
        return min(time_ms for time_ms in times if time_ms > now_ms)

    def missing(self, now_ms: int) -> dict[str, str]:
        """Which bars are so late that nothing newer can be decided on, in a few words, by symbol."""
        return {
            run.symbol: f"without the bar of {iso(run.lacks_from())}"
            for run in self._runs.values()
            if run.bar_ms >= 0 and run.lacks_from() + self._interval_ms + FRESH_MS < now_ms
        }

    def newest(self, symbol: str) -> int:
        """The open time of the newest candle that was heard of; -1 before any."""
        return self._runs[symbol].newest_ms

    def _overdue_ms(self, open_ms: int) -> int:
        """When a bar is asked for: early enough for the answer to come within the grace."""
        return open_ms + self._interval_ms + self._grace_ms // 2

    def _give(self, minute_ms: int, rank: int, runs: Sequence[_Run], now_ms: int) -> MarketBatch:
        if rank == _BAR:
            events: list[MarketEvent] = [self._give_bar(run) for run in runs]
            return MarketBatch(minute_ms, tuple(events), trading=now_ms - minute_ms <= FRESH_MS)
        due_ms = minute_ms + self._delay_ms
        events = [self._give_first(run) for run in runs]
        return MarketBatch(due_ms, tuple(events), trading=now_ms - due_ms <= FRESH_MS)

    def _give_bar(self, run: _Run) -> Bar:
        bar = run.closed.pop(run.bar_ms)
        run.bar_ms += self._interval_ms
        run.given = bar
        run.succeeded.pop(bar.open_time_ms, None)
        first_ms, price = run.given_first
        if first_ms == bar.open_time_ms and price != bar.open:
            log.warning("%s: the bar of %s opened at %s, and %s was told as its first price",
                        run.symbol, iso(first_ms), bar.open, price)  # fmt: skip
        return bar

    def _give_first(self, run: _Run) -> FirstPrice:
        open_ms = run.first_ms
        known = run.closed.get(open_ms)
        price = known.open if known is not None else run.opens[open_ms]
        run.opens = {at_ms: value for at_ms, value in run.opens.items() if at_ms > open_ms}
        run.first_ms += self._interval_ms
        run.given_first = (open_ms, price)
        return FirstPrice(run.symbol, open_ms + self._delay_ms, open_ms, price)

    def _give_rates(self, minute_ms: int, now_ms: int) -> MarketBatch:
        due = tuple(rate for rate in self._rates if event_time_ms(rate) == minute_ms)
        self._rates = self._rates[len(due) :]
        return MarketBatch(minute_ms, due, trading=now_ms - minute_ms <= FRESH_MS)
