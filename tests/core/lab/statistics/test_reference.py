from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.domain.market import FundingRate
from core.lab.data.history import History, make_history
from core.lab.run.result import EquityCurve
from core.lab.statistics.reference import buy_and_hold, do_nothing, random_entries
from core.lab.statistics.statistics import summary
from tests.core.lab.samples import FROM_MS, MINUTE_MS, run_of

NAN = float("nan")


def history_of(
    closes: Sequence[Sequence[float]], first: int = 0, funding: tuple[FundingRate, ...] = (), start: float = 100.0
) -> History:
    """Bars that open at the close before, the first at `start`; NaN is a bar that is missing."""
    close = np.array(closes, np.float64)
    opened = np.column_stack((np.full(len(close), start), close[:, :-1]))
    opened = np.where(np.isnan(opened), start, opened)
    opened[np.isnan(close)] = NAN
    times = FROM_MS + np.arange(close.shape[1], dtype=np.int64) * MINUTE_MS
    symbols = ("BTCUSDT", "ETHUSDT", "XRPUSDT")[: len(close)]
    columns = (opened, np.fmax(opened, close), np.fmin(opened, close), close, np.where(np.isnan(close), NAN, 1.0))
    return make_history(symbols, MINUTE_MS, times, columns, first, funding, "made", True)


def rate(slot: int, fraction: str, mark: str, offset_ms: int = 0, symbol: str = "BTCUSDT") -> FundingRate:
    return FundingRate(symbol, FROM_MS + slot * MINUTE_MS + offset_ms, Decimal(fraction), Decimal(mark))


def test_doing_nothing_keeps_the_account() -> None:
    curve = do_nothing(history_of([[101.0, 102.0, 103.0]], first=1), 5_000.0)
    assert curve.time_ms.tolist() == [FROM_MS + 2 * MINUTE_MS, FROM_MS + 3 * MINUTE_MS]
    assert curve.equity_usdt.tolist() == [5_000.0, 5_000.0]
    found = summary(run_of(curve, initial_usdt=5_000.0), MINUTE_MS)
    assert (found.total_return_pct, found.exposure_pct, found.ratios.sharpe_a_day) == (0.0, 0.0, None)


def test_holding_pays_fee_and_slippage_once_each_way() -> None:
    curve = buy_and_hold(history_of([[105.0, 110.0, 120.0]], first=1), 10_000.0, 5.0, 2.0)
    qty = 10_000.0 / (105.0 * 1.0002 * 1.0005)
    sold = qty * 120.0 * 0.9998 * 0.9995
    assert curve.equity_usdt == pytest.approx([qty * 110.0, sold], rel=1e-12)
    assert curve.gross_usdt == pytest.approx([qty * 110.0, 0.0], rel=1e-12)
    assert curve.net_usdt.tolist() == curve.gross_usdt.tolist()


def test_the_money_is_shared_equally_and_what_cannot_be_bought_stays_cash() -> None:
    curve = buy_and_hold(history_of([[110.0, 120.0], [90.0, 100.0], [NAN, NAN]]), 9_000.0, 0.0, 0.0)
    assert curve.equity_usdt == pytest.approx([3_300.0 + 2_700.0 + 3_000.0, 3_600.0 + 3_000.0 + 3_000.0])


def test_a_late_symbol_is_bought_at_its_first_open_and_a_gap_keeps_the_last_close() -> None:
    other = [100.0, 100.0, 100.0, 100.0, 100.0]
    curve = buy_and_hold(history_of([[NAN, 125.0, NAN, 150.0, NAN], other]), 2_000.0, 0.0, 0.0)
    assert curve.equity_usdt == pytest.approx([2_000.0, 2_250.0, 2_250.0, 2_500.0, 2_500.0])
    assert curve.gross_usdt == pytest.approx([1_000.0, 2_250.0, 2_250.0, 2_500.0, 0.0])


def test_slots_without_any_bar_are_not_covered() -> None:
    curve = buy_and_hold(history_of([[NAN, 125.0, NAN, 150.0, NAN]]), 1_000.0, 0.0, 0.0)
    assert (curve.time_ms - FROM_MS).tolist() == [2 * MINUTE_MS, 4 * MINUTE_MS]
    assert curve.equity_usdt == pytest.approx([1_250.0, 1_500.0])
    assert curve.gross_usdt == pytest.approx([1_250.0, 0.0])


def test_holding_earns_nothing_in_a_hole_and_pays_for_leaving_before_it() -> None:
    hole, dead = [NAN] * 11, [100.0, 100.0] + [NAN] * 13
    curve = buy_and_hold(history_of([[100.0, 110.0, *hole, 300.0, 330.0]], start=100.0), 1_000.0, 5.0, 2.0)
    both = 0.9998 * 0.9995 / (1.0002 * 1.0005)
    before = 1_000.0 * 1.1 * both
    after = before * 3.3 * both  # it opens at 100 after the hole, as everything here that follows what is missing
    assert curve.equity_usdt == pytest.approx(
        [1_000.0 / (1.0002 * 1.0005), before, before * 3.0 * both / 0.9998 / 0.9995, after]
    )
    assert curve.gross_usdt[1] == curve.gross_usdt[-1] == 0.0
    ended = buy_and_hold(history_of([dead, [100.0] * 15]), 2_000.0, 0.0, 0.0)
    assert ended.gross_usdt.tolist() == [2_000.0, *[1_000.0] * 13, 0.0]


def test_funding_is_paid_on_what_is_held_from_its_slot_on() -> None:
    funding = (
        rate(0, "0.5", "100"),  # at the very open of the purchase
        rate(1, "0.001", "110", 5),
        rate(1, "0.9", "110", 5, "ETHUSDT"),
        rate(2, "-0.002", "100"),
    )
    curve = buy_and_hold(history_of([[100.0, 100.0, 100.0, 100.0]], funding=funding), 1_000.0, 0.0, 0.0)
    assert curve.equity_usdt == pytest.approx([1_000.0, 998.9, 1_000.9, 1_000.9], rel=1e-12)


@given(
    st.lists(st.floats(50.0, 150.0), min_size=1, max_size=20), st.integers(0, 19), st.floats(0, 50), st.floats(0, 50)
)
def test_costs_only_ever_cost(closes: list[float], first: int, fee_bps: float, slip_bps: float) -> None:
    history = history_of([closes], min(first, len(closes) - 1))
    free, costly = (buy_and_hold(history, 1_000.0, *costs) for costs in ((0.0, 0.0), (fee_bps, slip_bps)))
    start = history.open[0, history.first]
    assert free.equity_usdt == pytest.approx(1_000.0 * history.close[0, history.first :] / start)
    assert (costly.equity_usdt <= free.equity_usdt * (1 + 1e-12)).all()
    each_way = (1 - slip_bps / 1e4) * (1 - fee_bps / 1e4) / ((1 + slip_bps / 1e4) * (1 + fee_bps / 1e4))
    assert costly.equity_usdt[-1] == pytest.approx(free.equity_usdt[-1] * each_way)


def test_one_slot_is_bought_and_sold() -> None:
    curve = buy_and_hold(history_of([[101.0]]), 1_000.0, 0.0, 0.0)
    assert isinstance(curve, EquityCurve)
    assert (curve.equity_usdt.tolist(), curve.gross_usdt.tolist()) == ([1_010.0], [0.0])


@given(st.integers(0, 40), st.integers(0, 60), st.data())
def test_random_entries_have_the_count_and_the_longs(count: int, spare: int, data: st.DataObject) -> None:
    longs = data.draw(st.integers(0, count))
    seed = data.draw(st.integers(0, 99))
    slots = 7 + 3 * np.arange(count + spare, dtype=np.int64)
    found = random_entries(count, slots, longs, seed)
    assert len(found.slot) == len(found.direction) == count
    assert (np.diff(found.slot) > 0).all()
    assert np.isin(found.slot, slots).all()
    assert np.count_nonzero(found.direction == 1) == longs
    assert np.count_nonzero(found.direction == -1) == count - longs
    again = random_entries(count, slots, longs, seed)
    assert found.slot.tolist() == again.slot.tolist()
    assert found.direction.tolist() == again.direction.tolist()


def test_every_slot_is_as_likely_and_directions_do_not_follow_the_time() -> None:
    drawn = [random_entries(5, np.arange(10), 2, seed) for seed in range(2_000)]
    hits = np.bincount(np.concatenate([found.slot for found in drawn]), minlength=10)
    assert hits == pytest.approx(np.full(10, 1_000.0), rel=0.1)
    shares = np.mean([found.direction == 1 for found in drawn], axis=0)
    assert shares == pytest.approx(np.full(5, 0.4), abs=0.05)


@pytest.mark.parametrize(("count", "longs"), [(11, 3), (5, 6), (5, -1), (-1, 0)])
def test_entries_that_do_not_fit_are_refused(count: int, longs: int) -> None:
    with pytest.raises(BadInputError, match="do not fit"):
        random_entries(count, np.arange(10), longs, 1)
