"""From a closed bar at the trader to the order it commands, without input or output."""

from __future__ import annotations

from time import perf_counter_ns

from benchmarks.market import load_settings_and_rules
from benchmarks.report import Section, percentiles
from core.domain.forecast import Contribution, Forecast
from core.domain.market import MINUTE_MS, Bar
from core.domain.orders import OrderState, OrderUpdate
from core.domain.origin import champion
from core.settings.schema import LimitSettings, Settings
from core.trader.messages import PlaceOrder
from core.trader.trader import Trader
from strategies.scalper.declaration import build

TARGET_P50_US = 50.0
ENTERS_FROM_BPS = 20.0
"""Above what the scalper needs at the settings' costs."""

ITERATIONS = 20_000
START_MS = 1_749_168_000_000
PRICES = {"BTCUSDT": 103_000.0, "ETHUSDT": 2_450.0, "SOLUSDT": 147.0, "BNBUSDT": 640.0, "XRPUSDT": 2.15}


def new_trader() -> Trader:
    """The demo's, but that the count of entries a day, which every undone entry raises, never ends it."""
    endless = LimitSettings(max_trades_per_day=1_000_000_000)
    settings, instruments = load_settings_and_rules(Settings(limits=endless))
    return Trader("bench", build(settings), settings, instruments)


def bar_of(symbol: str, index: int) -> Bar:
    """The `index`-th minute of a price that swings by a tenth of a percent."""
    price = PRICES[symbol] * (1.0 + 0.0001 * (index % 10))
    return Bar(symbol, START_MS + index * MINUTE_MS, MINUTE_MS, price, price * 1.0005, price * 0.9995, price, 100.0)


def forecast_of(bar: Bar, value_bps: float) -> Forecast:
    """As the engine delivers one, with the five strongest features."""
    reasons = tuple(Contribution(f"feature_{i}", 0.1 * i, 1.0 - 0.1 * i) for i in range(5))
    close_ms, origin = bar.close_time_ms, champion("scalper", "v1")
    return Forecast(bar.symbol, close_ms, close_ms + 100, (value_bps, 0.7), origin, reasons)


class BareSignal:
    """The least a decision can be: two moving averages, a test and a list append."""

    def __init__(self) -> None:
        self.fast = self.slow = 0.0
        self.orders: list[tuple[str, float]] = []

    def handle(self, bar: Bar) -> None:
        self.fast += (bar.close - self.fast) * (2.0 / 13.0)
        self.slow += (bar.close - self.slow) * (2.0 / 27.0)
        if self.fast > 0.0:
            self.orders.append((bar.symbol, bar.close))


def time_entries(trader: Trader, iterations: int) -> tuple[list[float], list[float]]:
    """Microseconds from a bar to its entry, and of the bare reference on the same bars, in turn."""
    entries, bare = [], []
    signal = BareSignal()
    symbols = tuple(trader.state.symbols)
    value_bps = 2.0 * ENTERS_FROM_BPS
    for index in range(iterations):
        turn = index % len(symbols)
        for other in (*symbols[turn + 1 :], *symbols[:turn]):
            trader.handle(bar_of(other, index))
        bar = bar_of(symbols[turn], index)
        forecast = forecast_of(bar, value_bps if index % 2 else -value_bps)
        began = perf_counter_ns()
        trader.handle(bar)
        commands = trader.handle(forecast)
        ended = perf_counter_ns()
        entries.append((ended - began) / 1e3)
        placed = [command.order for command in commands if isinstance(command, PlaceOrder)]
        if len(placed) != 1:
            raise RuntimeError(f"bar {index} of {bar.symbol} entered {len(placed)} times: {commands}")
        _undo(trader, placed[0].client_order_id, bar)
        began = perf_counter_ns()
        signal.handle(bar)
        bare.append((perf_counter_ns() - began) / 1e3)
    return entries, bare


def _undo(trader: Trader, client_order_id: str, bar: Bar) -> None:
    now_ms = bar.close_time_ms + 200
    trader.handle(OrderUpdate(client_order_id, bar.symbol, OrderState.REJECTED, now_ms, reason="bench"))


def time_uneventful_bars(trader: Trader, iterations: int) -> list[float]:
    """Microseconds of a bar that nothing follows from: flat, no forecast."""
    spent = []
    symbols = tuple(trader.state.symbols)
    for index in range(iterations):
        bar = bar_of(symbols[index % len(symbols)], index)
        began = perf_counter_ns()
        trader.handle(bar)
        spent.append((perf_counter_ns() - began) / 1e3)
    return spent


def run(iterations: int = ITERATIONS) -> Section:
    time_entries(new_trader(), min(iterations, 500))
    entries, bare = time_entries(new_trader(), iterations)
    quiet = time_uneventful_bars(new_trader(), iterations)
    figures = percentiles("bar and forecast to entry order", entries, "us", (50, 99), {50: TARGET_P50_US})
    figures += percentiles("bar without a decision", quiet, "us", (50, 99))
    figures += percentiles("reference: two EMAs, a test, a list append", bare, "us", (50, 99))
    note = f"{iterations:,} entries over 5 symbols, each undone by a rejection; scalper, no limit on trades a day"
    return Section("decision", "from a bar at the trader to its command", tuple(figures), (note,))
