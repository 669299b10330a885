"""Candle frames as the exchanges document them, through genuine ccxt clients; and the rules for rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ccxt.pro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.domain.market import Bar
from core.exchange.dialects import dialect_of
from core.market.live.rows import SETTLED_MS, Candle, bar_of, bars_of, check_timeframe, holes, tap_candles

MINUTE = 60_000
OPEN_MS = 1_785_617_880_000
UNIFIED = {"BTCUSDT": "BTC/USDT:USDT"}
BAR = Bar("BTCUSDT", OPEN_MS, MINUTE, 62_635.8, 62_635.9, 62_631.8, 62_631.8, 3.418)


class Socket:
    """As much of a connection as a frame's way through ccxt touches."""

    url = "wss://fstream.binance.com/market/ws/0"

    def __init__(self) -> None:
        self.subscriptions: dict[str, Any] = {}
        self.futures: dict[str, Any] = {}

    def resolve(self, result: Any, message_hash: str) -> None: ...

    def reject(self, error: Any, message_hash: str) -> None:
        raise AssertionError(error)


def client_of(exchange: str, **ids: Any) -> Any:
    client = getattr(ccxt.pro, exchange)()
    market = {
        "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT", "settle": "USDT", "baseId": "BTC", "quoteId": "USDT",
        "type": "swap", "swap": True, "spot": False, "contract": True, "linear": True, "inverse": False,
        "option": False, "active": True, "contractSize": 1.0, **ids,
    }  # fmt: skip
    client.set_markets([market])
    return client


def heard_of(client: Any, *frames: dict[str, Any]) -> list[tuple[str, Candle | None]]:
    heard: list[tuple[str, Candle | None]] = []
    tap_candles(
        client, dialect_of(client.id).words, UNIFIED, lambda symbol, candle: heard.append((symbol, candle)), MINUTE
    )
    for frame in frames:
        client.handle_message(Socket(), frame)
    return heard


def binance_frame(**changes: Any) -> dict[str, Any]:
    """Recorded 2026-08-01."""
    kline = {
        "t": OPEN_MS, "T": OPEN_MS + 59_999, "s": "BTCUSDT", "i": "1m", "f": 7946184667, "L": 7946184938,
        "o": "62635.80", "c": "62631.80", "h": "62635.90", "l": "62631.80", "v": "3.418", "n": 272, "x": False,
        "q": "214085.65360", "V": "0.491", "Q": "30753.74630", "B": "0", **changes,
    }  # fmt: skip
    return {"e": "kline", "E": 1_785_617_898_970, "s": "BTCUSDT", "k": kline}


def test_binance_tells_when_a_candle_has_closed() -> None:
    client = client_of("binanceusdm", id="BTCUSDT", lowercaseId="btcusdt")
    heard = heard_of(client, binance_frame(), {"stream": "btcusdt@kline_1m", "data": binance_frame(x=True)})
    assert heard == [
        ("BTCUSDT", Candle(BAR, 1_785_617_898_970, False)),
        ("BTCUSDT", Candle(BAR, 1_785_617_898_970, True)),
    ]
    assert client.ohlcvs["BTC/USDT:USDT"]["1m"][0][4] == 62_631.8


def test_candles_of_another_length_or_contract_are_not_ours() -> None:
    client = client_of("binanceusdm", id="BTCUSDT", lowercaseId="btcusdt")
    assert heard_of(client, binance_frame(i="5m"), binance_frame(s="ETHUSDT")) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"e": "kline", "E": 1, "s": "BTCUSDT"},
        {"e": "kline", "E": 1, "s": "BTCUSDT", "k": None},
        {"e": "kline", "s": "BTCUSDT", "k": binance_frame()["k"]},
        {"e": "kline", "E": "soon", "s": "BTCUSDT", "k": binance_frame()["k"]},
        binance_frame(h="1.0"),
        binance_frame(o=None),
        binance_frame(c="abc"),
    ],
)
def test_a_broken_frame_is_told_and_does_not_end_the_connection(broken: dict[str, Any]) -> None:
    client = client_of("binanceusdm", id="BTCUSDT", lowercaseId="btcusdt")
    heard = heard_of(client, broken, binance_frame())
    assert [candle for _, candle in heard] == [None, Candle(BAR, 1_785_617_898_970, False)]


def test_mexc_does_not_say_whether_a_candle_has_closed() -> None:
    client = client_of("mexc", id="BTC_USDT")
    frame = {
        "symbol": "BTC_USDT",
        "data": {
            "symbol": "BTC_USDT", "interval": "Min1", "t": 1718751060, "o": 65213.5, "c": 65210.5, "h": 65233.5,
            "l": 65208.5, "a": 3344326.96161, "q": 512797, "ro": 65213.4, "rc": 65210.5, "rh": 65233.5, "rl": 65208.5,
        },
        "channel": "push.kline",
        "ts": 1718751106472,
    }  # fmt: skip
    ((symbol, candle),) = heard_of(client, frame)
    bar = Bar("BTCUSDT", 1_718_751_060_000, MINUTE, 65_213.5, 65_233.5, 65_208.5, 65_210.5, 512_797.0)
    assert (symbol, candle) == ("BTCUSDT", Candle(bar, 1_718_751_106_472, None))


def test_apex_tells_when_a_candle_has_closed() -> None:
    client = client_of("apex", id="BTC-USDT", id2="BTCUSDT")
    candle = {
        "start": 1672324800000, "end": 1672324859999, "interval": "1", "open": "16649.5", "close": "16677",
        "high": "16677", "low": "16608", "volume": "2.081", "turnover": "34666.4005", "confirm": True,
        "timestamp": 1672324860882,
    }  # fmt: skip
    frame = {"topic": "candle.1.BTCUSDT", "data": [candle], "ts": 1672324860882, "type": "snapshot"}
    bar = Bar("BTCUSDT", 1_672_324_800_000, MINUTE, 16_649.5, 16_677.0, 16_608.0, 16_677.0, 2.081)
    assert heard_of(client, frame) == [("BTCUSDT", Candle(bar, 1_672_324_860_882, True))]


QUARTER = 900_000


def mexc_quarter(interval: str = "Min15") -> dict[str, Any]:
    prices = {"o": 65213.5, "c": 65210.5, "h": 65233.5, "l": 65208.5, "q": 512797, "interval": interval}
    data = {"symbol": "BTC_USDT", "t": 1718751600, **prices}
    return {"symbol": "BTC_USDT", "data": data, "channel": "push.kline", "ts": 1718751706472}


def apex_quarter(interval: str = "15") -> dict[str, Any]:
    prices = {"open": "65213.5", "close": "65210.5", "high": "65233.5", "low": "65208.5", "volume": "512797"}
    times = {"start": 1718751600000, "end": 1718752499999, "timestamp": 1718751706472}
    candle = {**times, **prices, "interval": interval, "confirm": False}
    return {"topic": f"candle.{interval}.BTCUSDT", "data": [candle], "ts": 1718751706472, "type": "snapshot"}


@pytest.mark.parametrize(
    ("exchange", "ids", "frame"),
    [
        ("binanceusdm", {"id": "BTCUSDT", "lowercaseId": "btcusdt"}, None),
        ("mexc", {"id": "BTC_USDT"}, mexc_quarter),
        ("apex", {"id": "BTC-USDT", "id2": "BTCUSDT"}, apex_quarter),
    ],
)
def test_candles_of_a_quarter_of_an_hour_by_the_names_of_each_exchange(
    exchange: str, ids: dict[str, str], frame: Any
) -> None:
    heard: list[Candle | None] = []
    client = client_of(exchange, **ids)
    tap_candles(client, dialect_of(client.id).words, UNIFIED, lambda _, candle: heard.append(candle), QUARTER)
    open_ms = 1_718_751_600_000
    frames = (binance_frame(i="15m", t=open_ms), binance_frame(t=open_ms)) if frame is None else (frame(), frame("5"))
    for one in frames[:1] if exchange == "mexc" else frames:
        client.handle_message(Socket(), one)
    (candle,) = heard
    assert candle is not None
    assert (candle.bar.open_time_ms, candle.bar.interval_ms) == (open_ms, QUARTER)


@pytest.mark.parametrize(
    ("exchange", "minutes", "its"),
    [("mexc", 3, "1, 5, 15, 30, 60, 240, 1440"), ("apex", 3, "1, 5, 15, 30, 60, 240, 1440"), ("binanceusdm", 3, "")],
)
def test_an_interval_that_an_exchange_has_not_is_refused_with_those_it_has(
    exchange: str, minutes: int, its: str
) -> None:
    client = getattr(ccxt.pro, exchange)()
    if not its:
        check_timeframe(client, exchange, minutes * MINUTE)
        return
    with pytest.raises(BadInputError) as error:
        check_timeframe(client, exchange, minutes * MINUTE)
    assert str(error.value) == (
        f"market.interval_minutes: {exchange} has no candles of {minutes} min; choose one of {its}"
    )


def row(open_ms: int) -> list[Any]:
    return [open_ms, 1.0, 2.0, 0.5, 1.5, 3.0]


@pytest.mark.parametrize(
    "bad",
    [
        [OPEN_MS, 1.0, 2.0, 0.5, 1.5],
        [OPEN_MS + 1, 1.0, 2.0, 0.5, 1.5, 3.0],
        [OPEN_MS, 1.0, 2.0, 0.5, None, 3.0],
        [OPEN_MS, 1.0, 2.0, 0.5, float("nan"), 3.0],
        [OPEN_MS, 1.0, 1.2, 0.5, 1.5, 3.0],
        [OPEN_MS, 1.0, 2.0, 1.2, 1.5, 3.0],
        [OPEN_MS, 1.0, 2.0, 0.0, 1.5, 3.0],
        [OPEN_MS, 1.0, 2.0, 0.5, 1.5, -3.0],
        [None, 1.0, 2.0, 0.5, 1.5, 3.0],
    ],
)
def test_a_row_that_cannot_be_a_candle_is_none(bad: list[Any]) -> None:
    assert bar_of("BTCUSDT", bad, MINUTE) is None
    assert bars_of("BTCUSDT", [bad, row(OPEN_MS + MINUTE)], None, MINUTE)[0] == []


def test_the_last_row_is_closed_only_by_the_exchanges_own_time() -> None:
    rows = [row(OPEN_MS), row(OPEN_MS + MINUTE)]
    close_ms = OPEN_MS + 2 * MINUTE
    for exchange_ms in (None, close_ms, close_ms + SETTLED_MS - 1):
        closed, still_open = bars_of("BTCUSDT", rows, exchange_ms, MINUTE)
        assert [bar.open_time_ms for bar in closed] == [OPEN_MS]
        assert still_open is not None
        assert still_open.open_time_ms == OPEN_MS + MINUTE
    closed, still_open = bars_of("BTCUSDT", rows, close_ms + SETTLED_MS, MINUTE)
    assert [bar.open_time_ms for bar in closed] == [OPEN_MS, OPEN_MS + MINUTE]
    assert still_open is None


@given(st.sets(st.integers(0, 30)), st.integers(0, 15), st.integers(15, 31))
def test_holes_are_the_minutes_that_are_not_there(there: set[int], first: int, end: int) -> None:
    times = [minute * MINUTE for minute in sorted(there) if first <= minute < end]
    found = holes(times, first * MINUTE, end * MINUTE, MINUTE)
    missing = [ms for start_ms, end_ms in found for ms in range(start_ms, end_ms, MINUTE)]
    assert missing == [minute * MINUTE for minute in range(first, end) if minute not in there]
    assert all(earlier[1] < later[0] for earlier, later in pairwise(found))


@pytest.mark.parametrize(("place", "value"), [(2, 1e300), (3, 1e-300), (5, 1e300)])
def test_a_candle_of_figures_that_no_market_has_is_none(place: int, value: float) -> None:
    row = [0, 10.0, 11.0, 9.0, 10.0, 1.0]
    assert bar_of("BTCUSDT", row, MINUTE) is not None
    row[place] = value
    assert bar_of("BTCUSDT", row, MINUTE) is None
