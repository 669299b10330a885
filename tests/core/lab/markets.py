"""Random markets and accounts for runs over history, and what two runs must agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, FundingRate
from core.domain.records import (
    CancelRecord,
    FillRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OrderUpdateRecord,
    Record,
    SignalRecord,
    TradeRecord,
)
from core.lab.data.history import MAX_HOLE_MS, History, make_history
from core.settings.schema import Settings, parse_settings
from core.strategy.declaration import ExitRule, Strategy
from core.trader.state import DAY_MS
from core.trader.trader import Trader
from core.venues.rebuild import JournalledVenue, journalled_venue
from tests.declared import declared, table

Floats = NDArray[np.float64]

DAY0_MS = 20_000 * DAY_MS
DECISIONS = (
    IntentRecord,
    CancelRecord,
    OrderUpdateRecord,
    FillRecord,
    FundingRecord,
    TradeRecord,
    SignalRecord,
    LimitRecord,
)


def instrument(symbol: str, **changes: Any) -> Instrument:
    fields: dict[str, Any] = {
        "symbol": symbol,
        "base": symbol,
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal("0.001"),
        "contract_size": Decimal(1),
        "min_lots": 1,
        "max_lots": 10_000_000,
        "min_notional_usdt": Decimal(5),
        "maker_fee_bps": Decimal(2),
        "taker_fee_bps": Decimal(5),
        "max_leverage": 50,
        "maintenance_margin_pct": Decimal("0.5"),
        "liquidation_fee_bps": Decimal(125),
    }
    return Instrument(**(fields | changes))


def names(k: int) -> tuple[str, ...]:
    return tuple(f"S{index}" for index in range(k))


def random_history(
    rng: np.random.Generator,
    k: int,
    n: int,
    *,
    gaps: bool,
    first: int = 5,
    step_pct: float = 0.15,
    interval_minutes: int = 1,
) -> History:
    """Bars around a midnight: walks with jumps, bars without volume and, with `gaps`, bars that are missing. Of bars
    longer than a minute some of the funding is due inside them."""
    steps = rng.normal(0.0, step_pct / 100.0, (k, n)) + (rng.random((k, n)) < 0.01) * rng.normal(0.0, 0.01, (k, n))
    close = np.round(100.0 * np.exp(np.cumsum(steps, axis=1)), 2)
    opens = np.round(np.roll(close, 1, axis=1) * np.exp(rng.normal(0.0, 0.0003, (k, n))), 2)
    opens[:, 0] = close[:, 0]
    spread = np.round(rng.exponential(0.05, (2, k, n)), 2)
    high, low = np.maximum(opens, close) + spread[0], np.minimum(opens, close) - spread[1]
    volume = np.where(rng.random((k, n)) < 0.05, 0.0, np.round(rng.exponential(50.0, (k, n)), 3))
    columns = [opens, np.round(high, 2), np.round(low, 2), close, volume]
    if gaps:
        for row in range(k):
            for start, length in zip(rng.integers(0, n, 4), rng.integers(0, 24, 4), strict=True):
                for column in columns:
                    column[row, start : start + length] = np.nan
        if rng.random() < 0.3:
            whole = int(rng.integers(0, n - 10))
            for column in columns:
                column[:, whole : whole + 7] = np.nan
    step_ms = interval_minutes * MINUTE_MS
    begin_ms = DAY0_MS - int(rng.integers(1, n)) * step_ms
    times = begin_ms + step_ms * np.arange(n, dtype=np.int64)
    rates = [
        FundingRate(
            symbol,
            int(times[slot]) + int(rng.choice([0, 7])) + late_ms,
            Decimal(str(rng.choice([1, -2, 3]))) / 10_000,
            Decimal(100),
        )
        for slot in sorted(rng.integers(first, n, 4))
        for late_ms in (inside_ms(rng, interval_minutes),)
        for symbol in names(k)
    ]
    rates.sort(key=lambda rate: rate.time_ms - rate.time_ms % MINUTE_MS)
    longest_ms = MAX_HOLE_MS * interval_minutes
    return make_history(names(k), step_ms, times, columns, first, rates, "made", True, longest_ms)


def inside_ms(rng: np.random.Generator, interval_minutes: int) -> int:
    """How long after a bar's open something happens: at once, or some minutes later where it has some."""
    if interval_minutes == 1 or rng.random() < 0.5:
        return 0
    return int(rng.integers(1, interval_minutes)) * MINUTE_MS


def ends_in_hole(history: History, slot: int) -> bool:
    """Whether some symbol lacks a bar just before or at `slot`: cut off there, a history may not tell of a hole."""
    return bool(np.isnan(history.close[:, slot - 1 : slot + 1]).any())


def random_values(rng: np.random.Generator, k: int, n: int, *, share: float) -> dict[str, Floats]:
    """Forecasts of up to some 20 bps at that share of the bars."""
    values = rng.normal(0.0, 9.0, (k, n))
    values[rng.random((k, n)) >= share] = np.nan
    return dict(zip(names(k), table(values), strict=True))


def strategy(exits: Sequence[ExitRule] = (), **changes: Any) -> Strategy:
    fields: dict[str, Any] = {
        "needed_bps": 12.0,
        "lookback_bars": 5,
        "horizon_ms": 10 * MINUTE_MS,
        "stop_pct": 0.4,
        "target_pct": 0.8,
        "cooldown_ms": 2 * MINUTE_MS,
        "exits": tuple(exits),
    }
    return declared("plain", **(fields | changes))


def make_parts(
    chosen: Strategy,
    symbols: Sequence[str],
    sections: Mapping[str, Mapping[str, Any]],
    instruments: Mapping[str, Instrument] | None = None,
) -> tuple[Trader, JournalledVenue]:
    market = {"symbols": list(symbols), **sections.get("market", {})}
    settings: Settings = parse_settings({**sections, "market": market}, "the test")
    known = dict(instruments or {symbol: instrument(symbol) for symbol in symbols})
    return Trader("test", chosen, settings, known), journalled_venue(known, settings)


def decisions(records: Sequence[Record]) -> list[Record]:
    """What was decided and what came of it, without the marks of time and the samples in between."""
    return [record for record in records if isinstance(record, DECISIONS)]
