from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import BadInputError
from core.market.contracts.inference import off_tick, read_off
from core.market.contracts.rules import read_rules
from core.ports import BarColumns
from core.settings.schema import CostSettings
from tests.strategies.recorded import recorded

SHIPPED = {rules.symbol: rules for rules in read_rules(Path(__file__).parents[4] / "data" / "instruments.toml")}
MINUTE_MS = 60_000


def bars(closes: list[float] | np.ndarray, volumes: list[float] | np.ndarray, symbol: str = "ABCUSDT") -> BarColumns:
    close, volume = np.asarray(closes, np.float64), np.asarray(volumes, np.float64)
    times = 1_672_531_200_000 + np.arange(len(close), dtype=np.int64) * MINUTE_MS
    return BarColumns(symbol, MINUTE_MS, times, close, close, close, close, volume)


@pytest.mark.parametrize("symbol", list(SHIPPED))
def test_of_a_real_market_the_real_tick_and_no_finer_lot_than_there_is(symbol: str) -> None:
    rules = read_off(recorded(symbol))
    assert rules.tick_size == SHIPPED[symbol].tick_size
    assert off_tick(recorded(symbol), rules.tick_size) == (0, 0.0, 0)
    assert (np.abs(recorded(symbol).volume / float(rules.lot_size) % 1 - 0.5) > 0.499).all()
    assert rules.kind == "inferred"
    assert (rules.day, rules.source) == ("2025-06-04", "read off 14,400 candles")
    instrument = rules.instrument(CostSettings())
    assert instrument.min_lots <= instrument.max_lots


@pytest.mark.parametrize(
    ("closes", "tick"),
    [
        ([23.45, 23.5, 24.0], "0.05"),
        ([23.451, 23.452, 24.0], "0.001"),
        ([0.00001234, 0.00001235], "1E-8"),
        ([61_000.0, 61_500.0, 62_000.0], "50"),  # of hundreds, but no tick is so coarse
        ([100.0, 100.0, 100.0], "0.1"),  # never moved
        ([123456.7, 123456.9], "0.1"),
    ],
)
def test_the_coarsest_round_tick_that_all_prices_fit(closes: list[float], tick: str) -> None:
    assert read_off(bars(closes, [1.0] * len(closes))).tick_size == Decimal(tick)


def test_prices_of_no_grid_get_the_finest_that_a_float_can_tell() -> None:
    closes = 150.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 1e-3, 500)))
    rules = read_off(bars(closes, np.ones(500)))
    assert 1e10 < closes.max() / float(rules.tick_size) <= 1e11
    assert off_tick(bars(closes, np.ones(500)), rules.tick_size)[0] == 0


@pytest.mark.parametrize(
    ("volumes", "lot"),
    [
        ([12.345, 0.001, 7.0], "0.001"),
        ([120.0, 30.0, 7.0], "1"),
        ([1000.0, 1000.0, 1000.0], "1"),  # worth 100,000 USDT: no lot of a contract is
        ([0.0, 0.0, 0.0], "1"),
    ],
)
def test_the_lot_that_all_volumes_fit_unless_it_is_worth_too_much(volumes: list[float], lot: str) -> None:
    rules = read_off(bars([100.1, 100.2, 100.3], volumes))
    assert rules.lot_size == Decimal(lot)
    assert rules.min_notional_usdt == 100
    assert rules.instrument(CostSettings()).max_lots >= 1


def test_the_largest_order_is_what_one_candle_traded() -> None:
    assert read_off(bars([10.0, 10.1], [12.5, 40.5])).max_qty == Decimal("40.5")


def test_without_a_candle_there_is_nothing_to_read() -> None:
    with pytest.raises(BadInputError, match="ABCUSDT: has no candle"):
        read_off(bars([], []))


def test_prices_off_the_tick_are_counted_and_the_first_is_named() -> None:
    market = bars([23.45, 23.456, 23.46, 23.461], [1.0] * 4)
    count, price, time_ms = off_tick(market, Decimal("0.01"))
    assert (count, price, time_ms) == (2, 23.456, 1_672_531_200_000 + MINUTE_MS)
    assert off_tick(market, Decimal("0.001")) == (0, 0.0, 0)


def test_a_float_s_own_noise_is_not_off_the_tick() -> None:
    prices = np.round(np.arange(1, 200_001) * 0.1, 1) + 60_000
    assert off_tick(bars(prices, np.ones(len(prices))), Decimal("0.1"))[0] == 0


@pytest.mark.parametrize(
    ("closes", "volumes"),
    [
        ([1e300, 2e300], [1.0, 1.0]),
        ([1e-300, 2e-300], [1.0, 1.0]),
        ([100.0, 1e300], [1.0, 1.0]),
        ([100.0, 101.0], [1.0, 1e300]),
    ],
)
def test_what_no_market_has_gives_no_rules(closes: list[float], volumes: list[float]) -> None:
    with pytest.raises(BadInputError, match="are no market's; see quarterdeck data check"):
        read_off(bars(closes, volumes))


def test_prices_too_far_apart_for_any_tick_give_no_rules() -> None:
    with pytest.raises(BadInputError, match=r"prices from 1e-11 to 1e\+11 lie on no tick"):
        read_off(bars([1e11, 1e-11], [1.0, 1.0]))


def test_a_dear_contract_of_large_volumes_has_lots_that_can_be_counted() -> None:
    rules = read_off(bars([1e11, 1e12], [1e18, 1e18]))
    assert 1e14 < rules.max_qty / rules.lot_size <= 1e15
    assert rules.instrument(CostSettings()).max_lots == rules.max_qty / rules.lot_size
