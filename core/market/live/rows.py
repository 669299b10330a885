"""What an exchange tells of candles, made into bars: rows of REST answers, and what a stream's frames say of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS, Bar
from core.exchange.connection.own_words import OwnWords
from core.market.checking import LEAST_PRICE, MOST_PRICE, MOST_VOLUME
from core.market.intervals import interval_text
from core.settings.values import INTERVALS_MINUTES

SETTLED_MS = 5_000
"""So long after its close a candle is final even where the exchange shows no later one."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle as it was told last. `is_closed` is None where the exchange does not say."""

    bar: Bar
    time_ms: int
    is_closed: bool | None


def bar_of(symbol: str, row: Sequence[Any], interval_ms: int) -> Bar | None:
    """The candle of a ccxt row (time, open, high, low, close, volume); None where it cannot be one."""
    if len(row) < 6 or not all(_is_number(value) for value in row[:6]):
        return None
    open_ms, o, h, l, c, v = row[:6]  # noqa: E741
    possible = LEAST_PRICE <= l <= min(o, c) and max(o, c) <= h <= MOST_PRICE and 0 <= v <= MOST_VOLUME
    possible = possible and open_ms % interval_ms == 0
    return Bar(symbol, int(open_ms), interval_ms, *map(float, (o, h, l, c, v))) if possible else None


def bars_of(
    symbol: str, rows: Iterable[Sequence[Any]], exchange_ms: int | None, interval_ms: int
) -> tuple[list[Bar], Bar | None]:
    """The closed bars of a REST answer, oldest first, and the candle that may still be open.

    A candle is closed where the answer shows a later one, or where it had been over for SETTLED_MS when the exchange
    told its time as `exchange_ms`, before it was asked for these rows: this machine's clock is no proof. Rows that
    cannot be candles are left out.
    """
    found = {bar.open_time_ms: bar for bar in (bar_of(symbol, row, interval_ms) for row in rows) if bar is not None}
    bars = [found[open_ms] for open_ms in sorted(found)]
    if bars and (exchange_ms is None or bars[-1].close_time_ms + SETTLED_MS > exchange_ms):
        return bars[:-1], bars[-1]
    return bars, None


def is_past(row: Sequence[Any], newest_ms: int) -> bool:
    """Whether a ccxt row is of a candle that opened by `newest_ms`."""
    return len(row) > 0 and _is_number(row[0]) and row[0] <= newest_ms


def holes(times: Iterable[int], from_ms: int, to_ms: int, interval_ms: int) -> list[tuple[int, int]]:
    """Where bars are missing in [from_ms, to_ms): spans of open times, the end not included. `times` ascend."""
    found = []
    expected = from_ms
    for open_ms in [*times, to_ms]:
        if open_ms > expected:
            found.append((expected, open_ms))
        expected = open_ms + interval_ms
    return found


Heard = Callable[[str, Candle | None], None]
"""Told of every frame of a candle: our symbol, and the candle (None where the frame could not be read)."""


def tap_candles(client: Any, words: OwnWords, unified: Mapping[str, str], heard: Heard, interval_ms: int) -> None:
    """Have `heard` told of every frame of a candle of an interval that the ccxt.pro `client` takes in, with the signs
    that ccxt drops and the exchange's `words` have.

    ccxt keeps the newest row of a candle, but not the exchange's mark that it has closed nor the time of the frame.
    `unified` has ccxt's symbol by ours. A frame that ccxt cannot read would end its receiving for good, so it is
    stopped here.
    """
    symbols = {words.stream_id(client.market(name)): symbol for symbol, name in unified.items()}
    handle, timeframe = client.handle_ohlcv, interval_text(interval_ms)
    own = _own_names(client, timeframe)

    def tapped(connection: Any, message: Any) -> None:
        try:
            handle(connection, message)
            signs = words.candle_signs(message)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            heard("", None)
            return
        for sign in signs:
            symbol = symbols.get(sign.market_id)
            if symbol is None or sign.interval not in own:
                continue
            row = client.ohlcvs.get(unified[symbol], {}).get(timeframe, _NOTHING).hashmap.get(sign.open_ms, ())
            bar = bar_of(symbol, row, interval_ms)
            heard(symbol, None if bar is None else Candle(bar, sign.time_ms, sign.is_closed))

    client.handle_ohlcv = tapped


def check_timeframe(client: Any, exchange_id: str, interval_ms: int) -> None:
    """Raises BadInputError where an exchange has no candles of an interval."""
    if interval_text(interval_ms) not in client.timeframes:
        its = [n for n in INTERVALS_MINUTES if interval_text(n * MINUTE_MS) in client.timeframes]
        raise BadInputError(
            f"market.interval_minutes: {exchange_id} has no candles of {interval_ms // MINUTE_MS} min; choose one of "
            f"{', '.join(map(str, its))}"
        )


def _own_names(client: Any, timeframe: str) -> set[str]:
    """How an exchange calls an interval in its frames: one that has spot markets, too, has other names for these."""
    of_swaps = (client.options.get("timeframes") or {}).get("swap") or {}
    return {str(names[timeframe]) for names in (client.timeframes, of_swaps) if timeframe in names}


class _Nothing:
    hashmap: Mapping[int, Sequence[Any]] = {}


_NOTHING = _Nothing()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
