"""A trade of a stored run among the candles around it. No Textual."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.control.protocol import MarkerView
from core.domain.market import MINUTE_MS, Bar
from core.domain.rows import Row
from core.lab.requests import Lab
from tui.text.candles import Level
from tui.text.format import money

CANDLE_MINUTES = (1, 5, 15, 60, 240, 1440)
FITTING_CANDLES = 40
"""A trade is first drawn with the shortest candles of which it has no more than these."""

PAD_CANDLES = 150
"""So many are read on both sides of the trade: the widest terminal has room for fewer."""


@dataclass(frozen=True, slots=True)
class TradeView:
    """`index` is the trade's place in the list, the newest being 0. `zoom` steps away from the candles that fit it,
    above 0 to shorter ones; none is shorter than the run's own bars. `bars` is None until they are read."""

    run_id: str
    index: int
    trade: Row
    interval_minutes: int = 1
    zoom: int = 0
    bars: tuple[Bar, ...] | None = None

    @property
    def minutes(self) -> int:
        """How long a candle is."""
        held = (self.trade["exit_time_ms"] - self.trade["entry_time_ms"]) / MINUTE_MS
        whole = (minutes for minutes in CANDLE_MINUTES if minutes % self.interval_minutes == 0)
        lengths = sorted({self.interval_minutes, *whole})
        last = len(lengths) - 1
        fit = next((n for n, minutes in enumerate(lengths) if held <= minutes * FITTING_CANDLES), last)
        return lengths[max(0, min(last, fit - self.zoom))]

    def zoomed(self, delta: int) -> TradeView | None:
        """With shorter candles where `delta` is above 0, with longer ones below; None at the end of them."""
        other = replace(self, zoom=self.zoom + delta, bars=None)
        return other if other.minutes != self.minutes else None

    def markers(self) -> tuple[MarkerView, MarkerView]:
        trade, side = self.trade, "long" if self.trade["side"] > 0 else "short"
        return (
            MarkerView(trade["entry_time_ms"], trade["entry_price"], "entry", side),
            MarkerView(trade["exit_time_ms"], trade["exit_price"], "exit", side),
        )

    def levels(self) -> list[Level]:
        return [Level("entry", self.trade["entry_price"], "accent"), Level("exit", self.trade["exit_price"], "warn")]

    def framed(self, slots: int) -> tuple[tuple[Bar, ...], int]:
        """The bars to draw on `slots` columns, the trade in their middle, and the cells a candle may take."""
        span = self.minutes * MINUTE_MS
        first, last = self.trade["entry_time_ms"] // span, self.trade["exit_time_ms"] // span
        held = last - first + 1
        cells = 2 if (held + 16) * 2 <= slots else 1
        beyond = max(3, (slots // cells - held) // 2)
        return tuple(bar for bar in self.bars or () if bar.open_time_ms // span <= last + beyond), cells


def bars_of(lab: Lab, view: TradeView) -> TradeView:
    """`view` with its bars, as the lab has them."""
    span, trade = view.minutes * MINUTE_MS, view.trade
    start = (trade["entry_time_ms"] // span - PAD_CANDLES) * span
    end = (trade["exit_time_ms"] // span + PAD_CANDLES + 1) * span
    row = lab.bars(view.run_id, trade["symbol"], start, end, span)
    names = ("open_ms", "open", "high", "low", "close", "volume")
    columns = zip(*(row[name] for name in names), strict=True)
    bars = tuple(Bar(trade["symbol"], opened, span, *rest) for opened, *rest in columns)
    return replace(view, bars=bars)


def decimals(price: float) -> int:
    """So many that a price has six digits."""
    return max(0, 6 - len(f"{abs(price):.0f}"))


def price_text(price: float) -> str:
    return money(price, decimals(price))
