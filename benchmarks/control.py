"""What a console in another process is sent: the size of a message, and the time to write and to read it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from msgspec import structs, to_builtins

from benchmarks.report import Figure, Section
from benchmarks.timing import timed
from core.control.codec import encode, read
from core.control.deltas import Delta, applied, between
from core.control.events import BecauseView
from core.control.protocol import (
    MeterView,
    OrderView,
    OutputView,
    PositionView,
    PriceView,
    SignalView,
    Snapshot,
    StatusView,
    TradeView,
)
from core.control.shortening import shortened

SYMBOLS, HELD, SIGNALS, TRADES, METERS, CLOSES = 50, 20, 100, 200, 16, 60
FULL_BYTES, DELTA_BYTES, FULL_MS = 150_000.0, 5_000.0, 15.0
QUOTED = 20
"""So many symbols have a new quote between two pictures: at four pictures a second, one each 0.6 s."""

ROUNDS = 20
T0_MS = 1_780_000_000_000
FEATURES = ("return_5m", "volatility_30m", "ema_gap", "volume_ratio", "hour_sin")


def crowded(chance: random.Random) -> Snapshot:
    """Of a busy engine: 50 symbols, 20 of them held, and as much of the past as one keeps."""
    symbols = [f"COIN{number}USDT" for number in range(SYMBOLS)]
    held = symbols[:HELD]
    figures = (9_871.123456, 10_012.512345, 12.512345, 1.212345, 84.212345)
    status = StatusView("paper", "running", T0_MS, *figures, HELD, 2 * HELD, 31.0, 2.5)
    return Snapshot(
        seq=1,
        status=status,
        prices=tuple(price(symbol, chance) for symbol in symbols),
        positions=tuple(position(symbol, chance) for symbol in held),
        orders=tuple(order(symbol, number, chance) for number, symbol in enumerate(2 * held)),
        signals=(
            *(newest(symbol, T0_MS, chance) for symbol in symbols),
            *(signal(symbols[number % SYMBOLS], number, chance) for number in range(SIGNALS)),
        ),
        meters=tuple(meter(number, chance) for number in range(METERS)),
        trades=tuple(trade(symbols[number % SYMBOLS], number, chance) for number in range(TRADES)),
    )


def price(symbol: str, chance: random.Random) -> PriceView:
    closes = tuple(round(100 * chance.random(), 4) for _ in range(CLOSES))
    return PriceView(symbol, closes[-1], chance.uniform(-3, 3), T0_MS, closes, 4, said(chance), "scalper-7f3a")


def said(chance: random.Random) -> tuple[OutputView, ...]:
    return OutputView("forecast", chance.uniform(-9, 9), "bps"), OutputView("p_sign", chance.random(), "probability")


def position(symbol: str, chance: random.Random) -> PositionView:
    entry = round(100 * chance.random(), 4)
    return PositionView(
        trade_id=f"t-{symbol}-{T0_MS}",
        symbol=symbol,
        side="long",
        qty=12.5,
        entry_price=entry,
        mark_price=entry * 1.001,
        stop_price=round(entry * 0.99, 4),
        target_price=round(entry * 1.02, 4),
        notional_usdt=12.5 * entry,
        unrealised_usdt=chance.uniform(-9, 9),
        unrealised_pct=chance.uniform(-1, 1),
        opened_ms=T0_MS,
        strategy="scalper",
        protected=True,
        mark_ms=T0_MS,
        target_prices=(round(entry * 1.02, 4),),
    )


def order(symbol: str, number: int, chance: random.Random) -> OrderView:
    price, order_id = 100 * chance.random(), f"qd{number:030d}"
    return OrderView(order_id, symbol, "sell", "stop_market", "stop", 12.5, 0.0, price, "accepted", T0_MS, True)


def newest(symbol: str, time_ms: int, chance: random.Random) -> SignalView:
    """A forecast that asked for nothing."""
    view = signal(symbol, 0, chance)
    direction = 1 if (view.because[0].value or 0.0) > 0 else -1
    return structs.replace(view, time_ms=time_ms, direction=direction, action="wait", reason="below what is needed")


def signal(symbol: str, number: int, chance: random.Random) -> SignalView:
    return SignalView(
        time_ms=T0_MS - 60_000 * number,
        symbol=symbol,
        direction=1,
        because=(BecauseView("forecast", chance.uniform(-9, 9), 8.0, "bps", "round trip cost"),),
        confidence=chance.random(),
        action="vetoed",
        reason="cooldown, 2 of 3 min",
        model_version="scalper-7f3a",
        reasons=tuple(
            (name, chance.gauss(0, 1), chance.gauss(0, 3)) for name in chance.sample(FEATURES, len(FEATURES))
        ),
        reasons_unit="bps",
    )


def meter(number: int, chance: random.Random) -> MeterView:
    formula = "the account's loss since 00:00 UTC over the limit of the settings"
    return MeterView(f"limit_{number}", chance.random(), 1.0, "USDT", "ok", "no_new_entries", "at 00:00 UTC", formula)


def trade(symbol: str, number: int, chance: random.Random) -> TradeView:
    entry = round(100 * chance.random(), 4)
    return TradeView(
        f"t-{number}", symbol, "long", 12.5, entry, entry * 1.01, T0_MS, T0_MS + 600_000, chance.gauss(0, 9), "target"
    )


def quoted(of: Snapshot, chance: random.Random) -> Snapshot:
    """The next picture: some quotes, what is held valued by them, and the figures of the account."""
    moved = {p.symbol: p.last * chance.uniform(0.999, 1.001) for p in of.prices[:QUOTED]}
    now_ms = of.status.as_of_ms + 250
    prices = tuple(
        structs.replace(p, last=moved[p.symbol], change_pct=chance.uniform(-3, 3), as_of_ms=now_ms)
        if p.symbol in moved
        else p
        for p in of.prices
    )
    positions = tuple(
        structs.replace(p, mark_price=moved[p.symbol], unrealised_usdt=chance.gauss(0, 9), mark_ms=now_ms)
        if p.symbol in moved
        else p
        for p in of.positions
    )
    status = structs.replace(of.status, as_of_ms=now_ms, equity_usdt=chance.uniform(9_000, 11_000))
    return structs.replace(of, seq=of.seq + 1, status=status, prices=prices, positions=positions)


def closed(of: Snapshot, chance: random.Random) -> Snapshot:
    """The picture with a bar more of every symbol: its close, and a new forecast that asked for nothing."""
    now_ms = T0_MS + 60_000
    closes = [round(p.last * chance.uniform(0.99, 1.01), 4) for p in of.prices]
    prices = tuple(
        structs.replace(p, closes=(*p.closes[1:], close), outputs=said(chance))
        for p, close in zip(of.prices, closes, strict=True)
    )
    signals = tuple(newest(p.symbol, now_ms, chance) for p in of.prices)
    return structs.replace(of, seq=of.seq + 1, prices=prices, signals=(*signals, *of.signals[SYMBOLS:]))


@dataclass
class Way:
    """A message on its way: what was written, and what it was read as."""

    line: bytes = b""
    there: Any = None


def run(rounds: int = ROUNDS) -> Section:
    chance = random.Random(7)
    full = shortened(crowded(chance))
    quote, bar = shortened(quoted(full, chance)), shortened(closed(full, chance))
    both = shortened(quoted(bar, chance))
    ways = {name: Way() for name in ("full", "quotes", "bar", "both", "json")}

    def write(name: str, message: Any) -> None:
        ways[name].line = message

    rows = to_builtins(full)
    functions = {
        "write full": lambda: write("full", encode(full)),
        "read full": lambda: read(Snapshot, ways["full"].line),
        "write quotes": lambda: write("quotes", encode(between(full, quote))),
        "read quotes": lambda: setattr(ways["quotes"], "there", applied(full, read(Delta, ways["quotes"].line))),
        "write bar": lambda: write("bar", encode(between(full, bar))),
        "read bar": lambda: setattr(ways["bar"], "there", applied(full, read(Delta, ways["bar"].line))),
        "write both": lambda: write("both", encode(between(full, both))),
        "read both": lambda: setattr(ways["both"], "there", applied(full, read(Delta, ways["both"].line))),
        "shorten": lambda: shortened(full),
        "write json": lambda: write("json", json.dumps(rows).encode()),
        "read json": lambda: json.loads(ways["json"].line),
    }
    took = timed(functions, rounds)
    for name, wanted in (("quotes", quote), ("bar", bar), ("both", both)):
        if ways[name].there != wanted:
            raise RuntimeError(f"the snapshot after the delta of {name} is another one")
    ms = {name: 1e3 * timing.best_s for name, timing in took.items()}
    size = {name: float(len(way.line)) for name, way in ways.items()}
    figures = (
        Figure("whole snapshot", size["full"], "bytes", at_most=FULL_BYTES),
        Figure("whole snapshot, written and read", ms["write full"] + ms["read full"], "ms", at_most=FULL_MS),
        Figure(f"change by {QUOTED} quotes", size["quotes"], "bytes", at_most=DELTA_BYTES),
        Figure(f"change by {QUOTED} quotes, found and written", ms["write quotes"], "ms"),
        Figure(f"change by {QUOTED} quotes, read and put on", ms["read quotes"], "ms"),
        Figure(f"change by a close and a forecast of all {SYMBOLS}", size["bar"], "bytes", at_most=DELTA_BYTES),
        Figure(f"change by a close and a forecast of all {SYMBOLS}, found and written", ms["write bar"], "ms"),
        Figure(f"change by a close and a forecast of all {SYMBOLS}, read and put on", ms["read bar"], "ms"),
        Figure(f"the same with {QUOTED} quotes", size["both"], "bytes"),
        Figure("a snapshot shortened, once for all consoles", ms["shorten"], "ms"),
        Figure("reference: the same snapshot by json, plain rows", ms["write json"] + ms["read json"], "ms"),
    )
    notes = (
        f"{SYMBOLS} symbols, {HELD} held, {SIGNALS} signals with {len(FEATURES)} reasons each, {TRADES} trades; charts "
        "are asked for by symbol; best of each over the rounds",
    )
    return Section("control", "messages to a console in another process", figures, notes)
