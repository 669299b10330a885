"""Counts of one set of contract rules told by another, without a loss."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import StorageError
from core.domain.orders import OrderRole
from core.domain.records import COUNTED_IN_LOTS, LOTS
from core.domain.regrid import ONE, Era, Eras, Factor, Grid, factor, grid_of, rescaled_order, working
from core.exchange.orders.outside import EXTERNAL_LOTS
from tests.core.trader.desk import BTC, make_instrument
from tests.storage.examples import entry

STEPS = st.sampled_from(["0.00001", "0.0001", "0.001", "0.01", "0.1", "1", "10", "0.05", "0.25", "2", "3", "0.5"])
CONTRACTS = st.builds(
    lambda tick, lot, size: make_instrument(BTC, tick, lot, contract_size=Decimal(size)),
    STEPS,
    STEPS,
    st.sampled_from(["1", "0.01", "10"]),
)


@given(st.data())
def test_values_stay_and_steps_are_the_exchanges(data: st.DataObject) -> None:
    fresh, olds = data.draw(CONTRACTS), data.draw(st.lists(CONTRACTS, max_size=4))
    now = working(fresh, [grid_of(old) for old in olds])
    assert (now.price_step, now.qty_step) == (fresh.price_step, fresh.qty_step)
    assert (now.qty(now.min_lots), now.qty(now.max_lots)) == (fresh.qty(fresh.min_lots), fresh.qty(fresh.max_lots))
    assert now.contract_size == fresh.contract_size
    for old in [*olds, fresh]:
        count = data.draw(st.integers(1, 10**6))
        by = factor(BTC, grid_of(old), grid_of(now))
        assert now.price(count * by.ticks) == old.price(count)
        assert now.qty(count * by.lots) == old.qty(count)
    assert working(now, [grid_of(now)]) == now


def test_nothing_changes_where_nothing_changed() -> None:
    fresh = make_instrument(BTC, "0.1", "0.001")
    assert working(fresh, []) == fresh
    assert working(fresh, [grid_of(fresh)]) == fresh
    coarse = working(make_instrument(BTC, "1", "0.01"), [grid_of(fresh)])
    assert (coarse.tick_size, coarse.lot_size, coarse.tick_step, coarse.lot_step) == (
        Decimal("0.1"),
        Decimal("0.001"),
        10,
        10,
    )


def test_a_grid_that_is_no_multiple_is_a_damaged_journal() -> None:
    with pytest.raises(StorageError, match=r"BTCUSDT was counted in ticks of 0\.1 and lots of 0\.001"):
        factor(BTC, Grid(Decimal("0.1"), Decimal("0.001")), Grid(Decimal("0.25"), Decimal("0.001")))


def test_each_record_is_of_the_era_that_wrote_it() -> None:
    old, new = Grid(Decimal("0.1"), Decimal("0.001")), Grid(Decimal("0.01"), Decimal("0.001"))
    eras = Eras([Era(3, {BTC: old}), Era(10, {BTC: new})])
    assert [eras.grid(BTC, seq) for seq in (1, 4, 10, 11, 99)] == [old, old, old, new, new]
    assert eras.grid("ETHUSDT", 5) is None
    assert eras.is_mixed
    assert eras.factor(BTC, 4, new) == Factor(10, 1)
    assert eras.factor(BTC, 11, new) == ONE


def test_an_order_is_the_same_in_a_finer_grid() -> None:
    order = replace(entry(1), role=OrderRole.STOP, trigger_ticks=594_000, filled_lots=3)
    finer = rescaled_order(order, Factor(10, 100))
    assert (finer.qty_lots, finer.filled_lots, finer.trigger_ticks, finer.price_ticks) == (1000, 300, 5_940_000, None)
    assert finer.client_order_id == order.client_order_id


def test_what_is_told_in_lots_is_known() -> None:
    assert {LOTS, EXTERNAL_LOTS} == COUNTED_IN_LOTS
