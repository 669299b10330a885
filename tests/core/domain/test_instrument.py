"""Prices and quantities on the contract's grid."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.instrument import Instrument
from tests.core.trader.desk import INSTRUMENTS, make_instrument

instruments = st.sampled_from(
    [*INSTRUMENTS.values(), make_instrument("CTUSDT", "0.05", "3", contract_size=Decimal("0.07"))]
)


@given(instruments, st.integers(1, 10**7))
def test_a_price_on_the_grid_stays_on_it(instrument: Instrument, ticks: int) -> None:
    price = float(instrument.price(ticks))
    assert instrument.ticks_nearest(price) == ticks
    assert instrument.ticks_floor(price) == ticks
    assert instrument.ticks_ceil(price) == ticks


@given(instruments, st.floats(0.01, 1e6))
def test_floor_and_ceiling_enclose(instrument: Instrument, price: float) -> None:
    low, high = instrument.ticks_floor(price), instrument.ticks_ceil(price)
    exact = Decimal(repr(price)) / instrument.tick_size
    assert low <= exact <= high
    assert high - low <= 1
    assert instrument.ticks_nearest(price) in (low, high)


@given(instruments, st.integers(0, 10**6))
def test_lots_on_the_grid_come_back(instrument: Instrument, lots: int) -> None:
    assert instrument.lots_floor(float(instrument.qty(lots))) == lots


def test_lots_never_round_up() -> None:
    assert INSTRUMENTS["BTCUSDT"].lots_floor(0.0019999) == 1


@pytest.mark.parametrize("lots", [41, -41])
def test_notional_is_unsigned(lots: int) -> None:
    assert INSTRUMENTS["BTCUSDT"].notional_usdt(lots, 600_001) == Decimal("2460.0041")


def test_orders_are_multiples_of_the_steps() -> None:
    coarse = make_instrument("BTCUSDT", "0.1", "0.001", tick_step=10, lot_step=20)
    assert (coarse.price_step, coarse.qty_step) == (Decimal("1.0"), Decimal("0.020"))
    assert [coarse.lots_down(lots) for lots in (0, 19, 20, 41)] == [0, 0, 20, 40]
    assert [coarse.lots_up(lots) for lots in (0, 1, 20, 41)] == [0, 20, 20, 60]
    assert [coarse.safe_ticks(594_005, sign) for sign in (1, -1)] == [594_010, 594_000]
    assert [coarse.safe_ticks(594_010, sign) for sign in (1, -1)] == [594_010, 594_010]
