"""A Control without an engine: snapshots and answers are given, commands are remembered."""

from __future__ import annotations

import math
from functools import cache

from msgspec.structs import replace

from core.control.events import KEPT_EVENTS, BecauseView, EventLog, Events
from core.control.lease import refusal
from core.control.operations import OPERATIONS
from core.control.protocol import (
    ChartView,
    CommandResult,
    ExternalOrderView,
    MarkerView,
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
from core.control.request import Claim, Request
from core.domain.market import MINUTE_MS, Bar
from core.domain.operator import Verb
from core.home.log_line import LogLine

NOW_MS = 1_782_907_200_000  # 2026-07-01 12:00:00 UTC
_BASES = {
    "BTCUSDT": (64_123.4, 1, 210.0),
    "ETHUSDT": (3_412.55, 2, 14.0),
    "SOLUSDT": (148.311, 3, 0.9),
    "BNBUSDT": (587.12, 2, 2.0),
    "XRPUSDT": (0.5123, 4, 0.004),
}


@cache
def bars(symbol: str, count: int = 240) -> tuple[Bar, ...]:
    """A wave with a drift and wicks: the same for every run."""
    base, _, swing = _BASES[symbol]
    shift = sum(symbol.encode()) % 17

    def close(n: int) -> float:
        return base + swing * (math.sin((n + shift) / 19) + 0.4 * math.sin((n + shift) / 3.3)) + swing * n / 400

    start = NOW_MS - count * MINUTE_MS
    made = []
    for n in range(count):
        opened, closed = close(n - 1), close(n)
        wick = swing * 0.15 * (1 + math.sin(n * 1.7))
        volume = 20 + 15 * math.sin(n / 7) ** 2 + (60 if n % 53 == 0 else 0)
        high, low = max(opened, closed) + wick, min(opened, closed) - wick * 0.7
        made.append(Bar(symbol, start + n * MINUTE_MS, MINUTE_MS, opened, high, low, closed, volume))
    return tuple(made)


def price(symbol: str) -> PriceView:
    history = bars(symbol)
    closes = tuple(bar.close for bar in history[-120:])
    return PriceView(
        symbol=symbol,
        last=closes[-1],
        change_pct=(closes[-1] / closes[0] - 1) * 100,
        as_of_ms=NOW_MS - 2_000,
        closes=closes,
        decimals=_BASES[symbol][1],
        outputs=(OutputView("forecast", round(math.sin(sum(symbol.encode())) * 12, 1), "bps"),),
        model_version="scalper-7f3a",
    )


def position(symbol: str, side: str, notional: float, trade_id: str) -> PositionView:
    mark = price(symbol).last
    sign = 1 if side == "long" else -1
    entry = mark * (1 - 0.0031 * sign)
    pnl = notional * 0.0031
    return PositionView(
        trade_id=trade_id,
        symbol=symbol,
        side=side,
        qty=notional / mark,
        entry_price=entry,
        mark_price=mark,
        stop_price=entry * (1 - 0.01 * sign),
        target_price=entry * (1 + 0.03 * sign),
        notional_usdt=notional,
        unrealised_usdt=pnl if trade_id != "t2" else -pnl,
        unrealised_pct=0.31 if trade_id != "t2" else -0.31,
        opened_ms=NOW_MS - 34 * MINUTE_MS,
        strategy="scalper",
        decimals=_BASES[symbol][1],
        target_prices=(entry * (1 + 0.03 * sign),),
    )


def meter(name: str, used: float, limit: float, unit: str, level: str = "ok") -> MeterView:
    return MeterView(
        name=name,
        used=used,
        limit=limit,
        unit=unit,
        level=level,  # type: ignore[arg-type]
        effect="no_new_entries",
        clears="by itself at 00:00 UTC",
        formula=f"{name} as the engine counts it, over the limit of the settings",
    )


METERS = (
    meter("day_loss", 42.5, 300.0, "USDT"),
    meter("day_loss_share", 0.43, 3.0, "%"),
    meter("drawdown", 12.4, 15.0, "%", "warn"),
    meter("exposure", 64.0, 150.0, "%"),
    meter("leverage", 0.64, 3.0, "x"),
    meter("open_positions", 2, 5, "count"),
    meter("trades_today", 17, 100, "count"),
    meter("losses_in_row", 1, 8, "count"),
    meter("feed_age", 2.0, 120.0, "s"),
)

REASONS = (
    ("return_5m", 0.00124, 4.21),
    ("volatility_30m", 0.00311, -2.87),
    ("ema_gap", -0.52, 1.93),
    ("volume_ratio", 1.84, 0.74),
    ("hour_sin", 0.5, -0.31),
)


def signal(n: int, symbol: str, direction: int, action: str, reason: str) -> SignalView:
    return SignalView(
        time_ms=NOW_MS - n * MINUTE_MS,
        symbol=symbol,
        direction=direction,
        confidence=0.5 + 0.02 * n,
        action=action,
        reason=reason,
        model_version="scalper-7f3a",
        reasons=REASONS,
        reasons_unit="bps",
        because=(BecauseView("forecast", direction * (6.0 + n), direction * 12.0, "bps", "round trip cost"),),
    )


SIGNALS = (
    signal(0, "BTCUSDT", 1, "vetoed", "edge below threshold"),
    signal(1, "ETHUSDT", -1, "vetoed", "cooldown, 2 of 3 min"),
    signal(7, "SOLUSDT", -1, "enter", "edge over threshold"),
    signal(9, "BTCUSDT", 1, "enter", "edge over threshold"),
    signal(11, "XRPUSDT", 1, "exit", "reversal"),
)


def trade(n: int, symbol: str, side: str, net: float, reason: str) -> TradeView:
    last = price(symbol).last
    return TradeView(
        trade_id=f"closed-{n}",
        symbol=symbol,
        side=side,
        qty=1500 / last,
        entry_price=last * 0.999,
        exit_price=last,
        entry_time_ms=NOW_MS - (n + 2) * 20 * MINUTE_MS,
        exit_time_ms=NOW_MS - (n + 1) * 20 * MINUTE_MS,
        net_pnl_usdt=net,
        exit_reason=reason,
    )


TRADES = (
    trade(0, "BTCUSDT", "buy", 7.31, "target"),
    trade(1, "XRPUSDT", "sell", -3.42, "reversal"),
    trade(2, "SOLUSDT", "buy", -15.8, "stop"),
    trade(3, "ETHUSDT", "sell", 4.05, "reversal"),
)


def order(symbol: str, role: str, kind: str, n: int) -> OrderView:
    return OrderView(
        client_order_id=f"qd{n}",
        symbol=symbol,
        side="sell",
        type=kind,
        role=role,
        qty=0.0312,
        filled_qty=0.0,
        price=price(symbol).last * 0.99,
        state="accepted",
        created_ms=NOW_MS - 34 * MINUTE_MS,
        reduce_only=True,
    )


def status(state: str = "running", **changes: object) -> StatusView:
    base = StatusView(
        mode="demo",
        state=state,  # type: ignore[arg-type]
        as_of_ms=NOW_MS,
        balance_usdt=10_222.21,
        equity_usdt=10_234.51,
        day_pnl_usdt=12.3,
        drawdown_pct=1.24,
        exposure_pct=43.2,
        open_positions=2,
        open_orders=2,
        feed_age_ms=420.0,
        loop_lag_ms=3.2,
        speed=60.0,
        source="recorded",
        exit_cost_bps=5.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def snapshot(seq: int = 1, *, positions: int = 2, state: str = "running", **changes: object) -> Snapshot:
    """A running demo with two positions; `changes` go into the status."""
    held = (
        position("BTCUSDT", "long", 2500.0, "t1"),
        position("SOLUSDT", "short", 1800.0, "t2"),
        position("ETHUSDT", "long", 900.0, "t3"),
    )[:positions]
    resting = (order("BTCUSDT", "stop", "stop_market", 1), order("SOLUSDT", "stop", "stop_market", 2))
    return Snapshot(
        seq=seq,
        status=status(state, **{"open_positions": positions, **changes}),
        prices=tuple(price(symbol) for symbol in _BASES),
        positions=held,
        orders=resting[:positions],
        signals=SIGNALS,
        meters=METERS,
        trades=TRADES,
    )


def chart(symbol: str) -> ChartView:
    markers = (
        MarkerView(NOW_MS - 34 * MINUTE_MS, bars("BTCUSDT")[-35].close, "entry", "long"),
        MarkerView(NOW_MS - 20 * MINUTE_MS, bars("BTCUSDT")[-21].close, "exit", "long"),
    )
    return ChartView(symbol, bars(symbol), markers if symbol == "BTCUSDT" else ())


EXTERNAL = (
    ExternalOrderView("ETHUSDT", "buy", "limit", 0.75, 3_301.5, "accepted", "web_8fa2"),
    ExternalOrderView("BNBUSDT", "sell", "position", 1.2, 590.1, "open", ""),
)


def live_snapshot(seq: int = 1, *, naked_ms: int | None = None, **changes: object) -> Snapshot:
    """A live engine in an account that others use, too; with `naked_ms` its first position has no stop for so long."""
    base = snapshot(
        seq,
        **{
            "mode": "live",
            "source": "Binance USD-M",
            "exchange": "binanceusdm",
            "clock_offset_ms": -12.0,
            "speed": 0.0,
            **changes,
        },
    )
    first, *others = base.positions
    first = replace(first, protected=naked_ms is None, unprotected_ms=naked_ms)
    held = (first, *(replace(p, protected=True) for p in others))
    return replace(base, positions=held, external=EXTERNAL)


def empty_snapshot(state: str = "running", note: str = "") -> Snapshot:
    """An engine that has only just begun: no price, no bar, nothing traded."""
    return Snapshot(seq=1, status=status(state, open_positions=0, open_orders=0, day_pnl_usdt=0.0, note=note))


def log_lines(count: int) -> list[LogLine]:
    levels = ("info", "info", "debug", "warning", "info", "error")
    return [
        LogLine(NOW_MS - (count - n) * 1000, levels[n % 6], f"core.part{n % 3}", f"line {n} of the log, number {n * 7}")
        for n in range(count)
    ]


class FakeControl:
    """Hands out `current`; remembers commands; answers with `answer`, or raises `error`."""

    def __init__(self, current: Snapshot | None = None) -> None:
        self.current = current
        self.name, self.problem = "console", ""
        self.claims: list[Claim] = []
        self.events = EventLog()
        self.charts = {symbol: chart(symbol) for symbol in _BASES}
        self.lines: list[LogLine] = []
        self.commands: list[Verb] = []
        self.requests: list[Request] = []
        self.external: list[bool] = []
        self.accepted = True
        self.message = "done"
        self.error: Exception | None = None

    def snapshot(self) -> Snapshot | None:
        return self.current

    def against(self, act: str) -> str:
        return refusal(OPERATIONS[act], self.current.writer if self.current is not None else "", self.name)

    async def claim(self, claim: Claim) -> str:
        self.claims.append(claim)
        return self.name

    def chart(self, symbol: str) -> ChartView | None:
        return self.charts.get(symbol)

    def updates(self, after: int, at_most: int = KEPT_EVENTS) -> Events:
        return self.events.since(after, at_most)

    def log_lines(self, after: int) -> tuple[int, list[LogLine]]:
        return len(self.lines), self.lines[after:]

    async def send(self, request: Request) -> CommandResult:
        self.commands.append(Verb(request.operation))
        self.requests.append(request)
        self.external.append(bool(request.values.get("include_external")))
        if self.error is not None:
            raise self.error
        return CommandResult(f"c{len(self.commands)}", self.accepted, self.message)


class FakeClock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms
