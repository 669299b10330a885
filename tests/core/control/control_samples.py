"""A full snapshot and a Control that needs no engine, for the tests of everything that looks at one."""

from __future__ import annotations

from core.control.events import KEPT_EVENTS, BecauseView, EventLog, Events
from core.control.lease import refusal
from core.control.operations import OPERATIONS
from core.control.protocol import (
    ChartView,
    CommandResult,
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
from core.control.request import Claim, Request, Value
from core.domain.errors import QuarterdeckError, RefusedError
from core.domain.market import Bar
from core.domain.operator import Verb
from core.home.log_line import LogLine

T0_MS = 1_749_000_000_000

STATUS = StatusView(
    mode="demo",
    state="running",
    as_of_ms=T0_MS,
    balance_usdt=10_000.0,
    equity_usdt=10_012.5,
    day_pnl_usdt=12.5,
    drawdown_pct=0.25,
    exposure_pct=24.0,
    open_positions=1,
    open_orders=2,
    feed_age_ms=250.0,
    loop_lag_ms=None,
    halts=("day loss",),
    speed=60.0,
    source="recorded",
)

BECAUSE = BecauseView("forecast", 9.5, 8.0, "bps", "round trip cost")

SNAPSHOT = Snapshot(
    seq=7,
    status=STATUS,
    prices=(PriceView("BTCUSDT", 105_000.1, -0.4, T0_MS, (1.0, 2.0), 1, (OutputView("forecast", 9.5, "bps"),), "v3"),),
    positions=(
        PositionView(
            "t1", "BTCUSDT", "buy", 0.024, 104_000.0, 105_000.0, 102_960.0, None, 2_520.0, 24.0, 0.96, T0_MS, "scalper"
        ),
    ),
    orders=(
        OrderView("qd1", "BTCUSDT", "sell", "stop_market", "stop", 0.024, 0.0, 102_960.0, "accepted", T0_MS, True),
    ),
    signals=(SignalView(T0_MS, "BTCUSDT", 1, 0.6, "enter", "", "v3", (("rsi_14", 31.0, 2.5),), "bps", (BECAUSE,)),),
    meters=(MeterView("day loss", 120.0, 300.0, "USDT", "ok", "no new entries", "at 00:00 UTC", "start - equity"),),
    trades=(TradeView("t0", "ETHUSDT", "sell", 1.0, 2_600.0, 2_590.0, T0_MS - 600_000, T0_MS, 7.4, "target"),),
)

CHART = ChartView(
    "BTCUSDT",
    tuple(Bar("BTCUSDT", T0_MS + 60_000 * n, 60_000, 1.0, 2.0, 0.5, 1.5 + n, 10.0) for n in range(3)),
    (MarkerView(T0_MS, 1.5, "entry", "buy"),),
)


class FakeControl:
    """Answers from the samples; a flatten of "NOPE" is refused, and what was asked is kept."""

    def __init__(self, snapshot: Snapshot | None = SNAPSHOT, lines: int = 3) -> None:
        self.current = snapshot
        self.name, self.problem = "console", ""
        self.claims: list[Claim] = []
        self.events = EventLog()
        self.charts = {CHART.symbol: CHART}
        self.lines = [
            LogLine(T0_MS + number, "INFO", "core.engine.engine", f"line {number}") for number in range(lines)
        ]
        self.asked: list[tuple[Verb, str, str]] = []
        self.given: list[dict[str, Value]] = []
        self.external: list[bool] = []
        self.raises: QuarterdeckError | None = None

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
        return len(self.lines), self.lines[min(after, len(self.lines)) :]

    async def send(self, request: Request) -> CommandResult:
        verb, symbol = Verb(request.operation), str(request.values.get("symbol", ""))
        self.asked.append((verb, symbol, request.operator))
        self.given.append({name: value for name, value in request.values.items() if name != "symbol"})
        self.external.append(bool(request.values.get("include_external")))
        if self.raises is not None:
            raise self.raises
        if symbol == "NOPE":
            return CommandResult("c2", False, "NOPE: no such symbol")
        if symbol == "RAISE":
            raise RefusedError("not while recovering")
        return CommandResult("c1", True, f"{verb} done")
