"""The sweep against the trader and the simulated venue told every event: the same trades, the same account."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.arithmetic import exits
from core.domain.errors import BadInputError, DataError, SettingsError
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, FundingRate
from core.domain.trading import ExitReason
from core.lab.data.history import MAX_HOLE_MS, History, MissingFunding, make_history
from core.lab.run.result import RunResult, trade_columns
from core.lab.sweep import forms, sweep
from core.lab.sweep.prepared import Prepared, prepare
from core.settings.schema import CostSettings, EventSettings, LimitSettings, Settings, SizingSettings, parse_settings
from core.strategy.declaration import ExitRule, Lifecycle, Strategy
from tests.core.lab.markets import ends_in_hole, inside_ms
from tests.core.lab.plain_run import plain_run
from tests.declared import declared, table

START_MS = 1_704_066_600_000  # 23:50 UTC: a day turns soon
CONTRACTS = (("0.01", "0.001"), ("0.0001", "0.1"), ("0.1", "0.01"), ("0.5", "1"))
RULES = {
    "none": (),
    "reversal": (ExitRule(ExitReason.REVERSAL, exits.reversal, 4.5),),
    "time": (ExitRule(ExitReason.FLATTEN, exits.time_stop, 7.0 * MINUTE_MS),),
    "all": (
        ExitRule(ExitReason.TARGET, exits.take_profit, 0.25),
        ExitRule(ExitReason.STOP, exits.stop_loss, 0.3),
        ExitRule(ExitReason.REVERSAL, exits.reversal, 30.0),
        ExitRule(ExitReason.FLATTEN, exits.time_stop, 11.0 * MINUTE_MS),
    ),
}


@dataclass
class Case:
    history: History
    instruments: dict[str, Instrument]
    settings: Settings
    strategy: Strategy
    values: NDArray[np.float64]

    def swept(self) -> RunResult:
        return sweep.run(self.prepared(), self.settings, self.strategy, self.values)

    def score(self) -> sweep.Score:
        return sweep.score(self.prepared(), self.settings, self.strategy, self.values)

    def prepared(self) -> Prepared:
        return prepare(self.history, self.instruments, self.settings.costs.assumed_funding_bps)


def instrument(
    s: int, tick: str, lot: str, taker_bps: str, *, min_lots: int = 1, min_notional: str = "5"
) -> Instrument:
    return Instrument(
        symbol=f"S{s}USDT",
        base=f"S{s}",
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        contract_size=Decimal(1),
        min_lots=min_lots,
        max_lots=10**9,
        min_notional_usdt=Decimal(min_notional),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(taker_bps),
        max_leverage=125,
        maintenance_margin_pct=Decimal("0.4"),
        liquidation_fee_bps=Decimal(125),
    )


def market(
    rng: np.random.Generator,
    k: int,
    n: int,
    instruments: list[Instrument],
    *,
    wild: float,
    gaps: float,
    thin: float,
    holes: int = 0,
    interval_minutes: int = 1,
) -> History:
    step_ms = interval_minutes * MINUTE_MS
    start_ms = START_MS // step_ms * step_ms
    columns = np.full((5, k, n), np.nan)
    funding = []
    for s, item in enumerate(instruments):
        tick = float(item.tick_size)
        first = tick * 10 ** rng.uniform(3.5, 5.5)
        path = first * np.exp(np.cumsum(rng.normal(0.0, wild, (n, 2)).ravel())).reshape(n, 2)
        opens, closes = path[:, 0], path[:, 1]
        spread = np.abs(rng.normal(0.0, wild, (2, n)))
        prices = [
            opens,
            np.maximum(opens, closes) * (1 + spread[0]),
            np.minimum(opens, closes) * (1 - spread[1]),
            closes,
        ]
        ticks = [np.maximum(1, np.rint(column / tick)).astype(int) for column in prices]
        for c, column in enumerate(ticks):
            columns[c, s] = [float(item.price(int(t))) for t in column]
        lots = 10 ** rng.uniform(0.0, 4.0, n) * thin
        columns[4, s] = np.where(rng.random(n) < 0.05, 0.0, np.rint(lots) * float(item.lot_size))
        columns[:, s, rng.random(n) < gaps] = np.nan
        for i in range(0, n, 13):
            rate = Decimal(int(rng.integers(-30_000, 30_000))) * Decimal("1e-8")
            mark = Decimal(repr(round(float(path[i, 0]), 8)))
            late_ms = int(rng.integers(0, 20)) + inside_ms(rng, interval_minutes)
            funding.append(FundingRate(item.symbol, start_ms + i * step_ms + late_ms, rate, mark))
    if gaps:
        columns[:, :, rng.random(n) < gaps / 2] = np.nan
    columns[:, :, 5] = np.where(np.isnan(columns[:, :, 5]), 1.0, columns[:, :, 5]) * 1.0
    for start, length in zip(rng.integers(6, n, holes), rng.integers(8, 40, holes), strict=True):
        rows = slice(None) if rng.random() < 0.3 else int(rng.integers(0, k))
        columns[:, rows, start : start + length] = np.nan
    times = start_ms + np.arange(n, dtype=np.int64) * step_ms
    first = int(rng.integers(0, 6))
    unsettled = [
        MissingFunding(
            item.symbol,
            int(times[i]) + late_ms,
            int(rng.choice([1, 4, 8])) * 3_600_000,
            Decimal(str(rng.integers(1, 99))),
        )
        for i in sorted(rng.integers(first, n, 3).tolist())
        for late_ms in (inside_ms(rng, interval_minutes),)
        for item in instruments[: 1 + int(rng.integers(0, k))]
    ]
    funding.sort(key=lambda rate: (rate.time_ms, rate.symbol))
    kept = [rate for rate in funding if rate.time_ms >= times[first]]
    return make_history(
        [i.symbol for i in instruments],
        step_ms,
        times,
        list(columns),
        first,
        kept,
        "drawn",
        True,
        MAX_HOLE_MS * interval_minutes,
        missing_funding=list({(gap.time_ms, gap.symbol): gap for gap in unsettled}.values()),
    )


def drawn(
    seed: int,
    k: int,
    *,
    reverses: bool,
    rules: str,
    limits: str,
    market_kind: str,
    sizing: str,
    n: int = 240,
    interval_minutes: int = 1,
) -> Case:
    """A case of everything at once; the seed draws what the arguments leave open."""
    rng = np.random.default_rng(seed)
    fee = str(rng.choice(["0", "2", "4.5", "5", "7.35"]))
    picks = [CONTRACTS[int(rng.integers(len(CONTRACTS)))] for _ in range(k)]
    small = bool(rng.random() < 0.3)
    items = [
        instrument(s, tick, lot, fee, min_lots=int(rng.choice([1, 3, 20])) if small else 1)
        for s, (tick, lot) in enumerate(picks)
    ]
    kinds: dict[str, dict[str, Any]] = {
        "calm": {"wild": 0.0005, "gaps": 0.0, "thin": 1e4},
        "gappy": {"wild": 0.001, "gaps": 0.1, "thin": 1e3},
        "thin": {"wild": 0.001, "gaps": 0.02, "thin": 1.0},
        "wild": {"wild": 0.02, "gaps": 0.03, "thin": 1e2},
        "holes": {"wild": 0.001, "gaps": 0.02, "thin": 30.0, "holes": 5},
    }
    history = market(rng, k, n, items, **kinds[market_kind], interval_minutes=interval_minutes)
    leverage = int(rng.choice([1, 3, 20, 100]))
    tight = {
        "max_order_notional_usdt": float(rng.choice([300.0, 2_000.0, 20_000.0])),
        "max_leverage": float(rng.choice([0.4, 1.0, 3.0])),
        "day_loss_usdt": float(rng.choice([3.0, 30.0, 300.0])),
        "day_loss_pct": float(rng.choice([0.05, 0.5, 3.0])),
        "day_loss_effect": str(rng.choice(["no_new_entries", "flatten"])),
        "max_trades_per_day": int(rng.choice([3, 10, 100])),
        "max_losses_in_row": int(rng.choice([2, 4, 50])),
        "max_drawdown_pct": float(rng.choice([0.2, 1.0, 50.0])),
        "max_exposure_pct": float(rng.choice([20.0, 60.0, 150.0])),
        "max_open_positions": int(rng.choice([1, 2, 5])),
    }
    wide = {
        "max_order_notional_usdt": 1e9,
        "max_leverage": 125.0,
        "day_loss_usdt": 1e9,
        "day_loss_pct": 100.0,
        "max_trades_per_day": 10**6,
        "max_losses_in_row": 10**6,
        "max_drawdown_pct": 100.0,
        "max_exposure_pct": 1e5,
        "max_open_positions": 10**3,
    }
    sizes: dict[str, Any] = {
        "share": {"position_pct": float(rng.choice([10.0, 100.0, 400.0])), "risk_per_trade_pct": 5.0},
        "risk": {"risk_per_trade_pct": 0.3, "position_pct": 1000.0},
        "fixed": {"notional_usdt": float(rng.choice([60.0, 1_000.0, 15_000.0]))},
    }
    chosen = parse_settings(
        {
            "account": {"leverage": leverage},
            "market": {"interval_minutes": interval_minutes},
            "costs": {
                "taker_fee_bps": fee,
                "slippage_bps": float(rng.choice([0.0, 0.5, 2.0])),
                "impact_bps": float(rng.choice([0.0, 5.0, 40.0])),
                "max_participation_pct": float(rng.choice([0.0, 1.0, 10.0])),
            },
            "sizing": sizes[sizing],
            "limits": tight if limits == "tight" else wide,
            "engine": {"inference_delay_ms": int(rng.choice([0, 100, 900]))},
        },
        "drawn",
    )
    strategy = declared(
        "drawn",
        needed_bps=8.0,
        stop_pct=float(rng.choice([0.1, 0.3, 1.0, 4.0])),
        target_pct=float(rng.choice([0.1, 0.5, 3.0])),
        cooldown_ms=int(rng.choice([0, 0, 3])) * MINUTE_MS * interval_minutes,
        exits=tuple(
            replace(rule, parameter=rule.parameter * interval_minutes) if rule.function is exits.time_stop else rule
            for rule in RULES[rules]
        ),
        lifecycle=Lifecycle(0, 0),
        reverses=reverses,
    )
    values = np.where(
        rng.random((k, n)) < rng.choice([0.1, 0.5, 1.0]), np.round(rng.normal(0.0, 12.0, (k, n)), 2), np.nan
    )
    return Case(history, {item.symbol: item for item in items}, chosen, strategy, table(values))


REFUSED = {*sweep.NOT_HEEDED, "symbol_losses_hours", "symbol_lock_minutes"}
"""With what only goes with them."""


def test_every_limit_is_drawn_or_named() -> None:
    """Only where it is drawn does it show that the sweep does not heed it."""
    as_they_are = {"min_stop_distance_pct", "max_stop_distance_pct", "max_feed_age_seconds", "warn_at_pct"}
    as_they_are |= REFUSED
    tight = drawn(1, 1, reverses=False, rules="none", limits="tight", market_kind="calm", sizing="share").settings
    assert set(LimitSettings.model_fields) - tight.limits.model_fields_set == as_they_are


def test_a_setting_of_size_cost_or_limit_reaches_the_kernel_or_is_named() -> None:
    """By its own name; what is left out is told it in another form, or has no use for it."""
    in_another_form = {"day_loss_effect", "min_stop_distance_pct", "max_stop_distance_pct"}
    of_the_contract = {"taker_fee_bps", "liquidation_fee_bps"}
    of_the_history = {"assumed_funding_bps"}
    without_use = {"maker_fee_bps", "warn_at_pct"}
    known = {name for section in (SizingSettings, CostSettings, LimitSettings) for name in section.model_fields}
    assert (
        known - set(forms.CONFIG.names or ())
        == in_another_form | of_the_contract | of_the_history | without_use | REFUSED
    )


EVENT = EventSettings(name="x", from_utc="2026-01-01", to_utc="2026-01-02")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_symbol_losses_in_row", 2),
        ("no_trade_hours", ("22:00-23:30",)),
        ("funding_quiet_minutes", 10),
        ("events", (EVENT,)),
    ],
)
def test_a_limit_that_the_sweep_does_not_know_is_refused_in_words(key: str, value: object) -> None:
    case = drawn(1, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="share")
    limits = case.settings.limits.model_copy(update={key: value})
    with pytest.raises(BadInputError, match=f"limits.{key}: the sweep cannot run it; use quarterdeck backtest"):
        replace(case, settings=case.settings.model_copy(update={"limits": limits})).swept()


def test_every_limit_that_is_refused_is_off_where_nothing_is_said() -> None:
    assert not any(getattr(LimitSettings(), key) for key in sweep.NOT_HEEDED)


def test_every_reason_to_leave_has_a_code_or_is_never_one_of_the_traders_own_here() -> None:
    codes = {name.removeprefix("REASON_"): int(code) for name, code in vars(forms).items() if name[:7] == "REASON_"}
    first_of_a_rule = codes.pop("RULES")
    assert {reason.name: code for code, reason in enumerate(sweep.REASONS)} == codes
    assert first_of_a_rule == len(codes)
    by_people = {ExitReason.FLATTEN, ExitReason.OUTSIDE, ExitReason.OPERATOR}
    by_orders_that_cross, of_a_rule = {ExitReason.UNWANTED}, {ExitReason.TIME}
    assert set(ExitReason) - set(sweep.REASONS) == by_people | by_orders_that_cross | of_a_rule


def assert_same(case: Case) -> int:
    """Compare every trade and every sample of the account; returns the number of trades."""
    plain = plain_run(case.history, case.instruments, case.settings, case.strategy, case.values)
    got = case.swept()
    expected = trade_columns(plain.trades)
    for name in expected.__slots__:
        np.testing.assert_array_equal(getattr(got.trades, name), getattr(expected, name), err_msg=name)
    at = np.searchsorted(got.curve.time_ms, [sample.time_ms for sample in plain.samples])
    np.testing.assert_array_equal(got.curve.equity_usdt[at], [float(s.equity_usdt) for s in plain.samples])
    assert (got.assumed_settlements, got.assumed_usdt) == (len(plain.assumed), float(sum(plain.assumed)))
    state = plain.trader.state
    assert got.final_usdt == float(state.ledger.account(state.exact_marks()).equity_usdt)
    assert got.open_positions == sum(1 for s in state.books() if s.lots)
    assert (got.ended_ms, got.limits) == (plain.ended_ms, {} if plain.ended_ms is None else {"drawdown": 1})
    return len(plain.trades)


cases = st.builds(
    drawn,
    seed=st.integers(0, 10**6),
    k=st.integers(1, 4),
    reverses=st.booleans(),
    rules=st.sampled_from(sorted(RULES)),
    limits=st.sampled_from(["wide", "tight"]),
    market_kind=st.sampled_from(["calm", "gappy", "thin", "wild", "holes"]),
    sizing=st.sampled_from(["share", "risk", "fixed"]),
    interval_minutes=st.sampled_from([1, 1, 15, 240, 1440]),
)


LATE_ENTRY = drawn(276_187_121, 4, reverses=True, rules="none", limits="wide", market_kind="wild", sizing="share")
"""Here the rest of an entry fills after its trade was closed and the opposite entry already waits."""


LATE_DAY = drawn(6974, 1, reverses=False, rules="none", limits="tight", market_kind="holes", sizing="share")
"""Here no bar closes at midnight, and what is lost before the first that does belongs to the new day."""


DAYS = drawn(
    11, 3, reverses=True, rules="time", limits="wide", market_kind="calm", sizing="share", interval_minutes=1440
)
"""Here funding falls into bars, before and after what they fill."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases)
@example(LATE_ENTRY)
@example(LATE_DAY)
@example(DAYS)
def test_gives_the_traders_trades_and_account(case: Case) -> None:
    assert_same(case)


def test_the_drawn_markets_try_everything() -> None:
    """What is drawn above ends trades in every way, in part and in whole, with funding, and vetoes some."""
    reasons: set[str] = set()
    funded = 0
    for seed, kind in enumerate(["calm", "gappy", "thin", "wild", "holes"] * 10):
        case = drawn(
            seed,
            1 + seed % 4,
            reverses=seed % 3 == 0,
            rules=sorted(RULES)[seed // 4 % 4],
            limits="tight" if seed % 5 < 2 else "wide",
            market_kind=kind,
            sizing="share",
        )
        trades = case.swept().trades
        reasons |= set(trades.exit_reason.tolist())
        funded += int(np.count_nonzero(trades.funding_usdt))
        lots = [float(case.instruments[symbol].qty(1)) for symbol in trades.symbol]
        assert np.allclose(trades.qty / lots, np.rint(trades.qty / lots))
    assert reasons >= {"stop", "target", "reversal", "liquidation", "limit", "flatten", "hole"}
    assert funded > 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases)
def test_a_score_sums_up_the_run(case: Case) -> None:
    whole, few = case.swept(), case.score()
    assert (few.trades, few.final_usdt, few.ended_ms) == (len(whole.trades), whole.final_usdt, whole.ended_ms)
    assert few.net_usdt == pytest.approx(whole.trades.net_usdt.sum(), abs=1e-7)
    curve = whole.curve
    peaks = np.maximum.accumulate(np.concatenate(([whole.initial_usdt], curve.equity_usdt)))[1:]
    assert few.max_drawdown_pct == pytest.approx(100 * np.max((peaks - curve.equity_usdt) / peaks), abs=1e-9)
    at = np.searchsorted(curve.time_ms, few.daily_ms)
    np.testing.assert_array_equal(few.daily_equity_usdt, curve.equity_usdt[at])
    assert few.daily_ms[-1] == curve.time_ms[-1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases, st.integers(20, 230))
def test_what_comes_later_changes_no_trade_before(case: Case, end: int) -> None:
    history = case.history
    assume(not ends_in_hole(history, end))
    cut_ms = int(history.open_time_ms[end])
    short = history.between(history.from_ms, cut_ms, history.first)
    cut = Case(short, case.instruments, case.settings, case.strategy, case.values[:, :end])
    whole, part = case.swept().trades, cut.swept().trades
    before = whole.exit_time_ms <= cut_ms
    for name in whole.__slots__:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[before], err_msg=name)


def test_funding_at_midnight_belongs_to_the_day_that_it_opens() -> None:
    """The day's loss is measured from what the account was before it."""
    case = drawn(11, 1, reverses=False, rules="none", limits="tight", market_kind="calm", sizing="share")
    midnight = FundingRate("S0USDT", START_MS + 10 * MINUTE_MS, Decimal("0.02"), Decimal(100_000))
    values = np.full_like(case.values, np.nan)
    values[0, 6] = values[0, 12:] = 30.0
    wide = drawn(11, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="fixed").settings
    limits = wide.limits.model_copy(update={"day_loss_usdt": 20.0})
    case = Case(
        replace(case.history, funding=(midnight,)),
        case.instruments,
        wide.model_copy(update={"limits": limits}),
        replace(case.strategy, stop_pct=4.0, target_pct=0.1, cooldown_ms=0),
        values,
    )
    assert_same(case)
    assert case.swept().trades.funding_usdt[0] < -20.0
    assert len(case.swept().trades) == 1


def test_nothing_is_held_through_a_hole() -> None:
    """A position is closed whole at the last price before it, what waits is gone, and nothing is asked just before."""
    case = drawn(3, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="share")
    columns = [np.array(getattr(case.history, name)) for name in ("open", "high", "low", "close", "volume")]
    for column in columns:
        column[:, 100:120] = np.nan
    history = case.history
    holed = make_history(
        history.symbols, MINUTE_MS, history.open_time_ms, columns, history.first, history.funding, "drawn", True
    )
    values = np.full_like(case.values, np.nan)
    values[0, [96, 99]] = 30.0
    held = Case(holed, case.instruments, case.settings, replace(case.strategy, stop_pct=4.0, target_pct=20.0), values)
    assert_same(held)
    trades = held.swept().trades
    assert trades.exit_reason.tolist() == ["hole"]
    assert trades.exit_time_ms[0] == history.open_time_ms[100]
    assert trades.exit_price[0] <= history.close[0, 99]
    assert trades.exit_price[0] == pytest.approx(history.close[0, 99], rel=1e-2)
    curve = held.swept().curve
    assert len(curve) == len(history) - history.first - 20
    assert not curve.gross_usdt[curve.time_ms > history.open_time_ms[99]].any()
    short = replace(holed, max_hole_ms=20 * MINUTE_MS)
    through = Case(short, case.instruments, case.settings, held.strategy, values)
    assert_same(through)
    assert through.swept().trades.exit_reason.tolist() != ["hole"]


def test_funding_behind_the_last_bar_is_paid() -> None:
    """A history may end with a symbol's bars missing, and what is due meanwhile of what is held is due."""
    case = drawn(3, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="share")
    columns = [np.array(getattr(case.history, name)) for name in ("open", "high", "low", "close", "volume")]
    for column in columns:
        column[:, -5:] = np.nan
    times = case.history.open_time_ms
    due = FundingRate("S0USDT", int(times[-2]), Decimal("0.01"), Decimal(repr(float(columns[0][0, -6]))))
    history = make_history(["S0USDT"], MINUTE_MS, times, columns, case.history.first, (due,), "drawn", True)
    values = np.full_like(case.values, np.nan)
    values[0, -9] = 30.0
    held = Case(history, case.instruments, case.settings, replace(case.strategy, stop_pct=4.0, target_pct=20.0), values)
    assert_same(held)
    assert held.swept().open_positions == 1
    assert held.swept().final_usdt < held.swept().curve.equity_usdt[-1]
    assert held.score().final_usdt == held.swept().final_usdt


def simple(**changes: Any) -> Case:
    case = drawn(3, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="share")
    return Case(**{**vars(case), **changes})


def test_amounts_of_fine_contracts_are_right_to_the_cent() -> None:
    fine = instrument(0, "0.000001", "0.000000001", "4")
    case = simple(instruments={"S0USDT": fine})
    plain = trade_columns(plain_run(case.history, case.instruments, case.settings, case.strategy, case.values).trades)
    got = case.swept().trades
    assert len(got) > 3
    for name in ("entry_time_ms", "exit_time_ms", "side", "exit_reason"):
        np.testing.assert_array_equal(getattr(got, name), getattr(plain, name))
    for name in ("qty", "gross_usdt", "fees_usdt", "funding_usdt", "net_usdt"):
        np.testing.assert_allclose(getattr(got, name), getattr(plain, name), atol=1e-6, rtol=1e-9)


def test_an_exit_of_ones_own_is_refused_by_name() -> None:
    def at_noon(*figures: float) -> bool:
        return False

    case = simple()
    own = ExitRule(ExitReason.FLATTEN, at_noon, 0.0)
    with pytest.raises(BadInputError, match="at_noon"):
        simple(strategy=replace(case.strategy, exits=(own,))).swept()


@pytest.mark.parametrize("own", ["bracket", "sizing"])
def test_a_bracket_and_a_sizing_of_ones_own_are_refused_in_words(own: str) -> None:
    case = simple()
    with pytest.raises(BadInputError, match=f"strategy drawn: the sweep cannot run a {own} of its own"):
        simple(strategy=replace(case.strategy, **{own: lambda *given: (1.0, 2.0)})).swept()


def test_bars_outside_their_range_are_refused() -> None:
    history = simple().history
    low = history.low.copy()
    low[0, 7] = history.high[0, 7] + 1.0
    columns = [history.open, history.high, low, history.close, history.volume]
    bad = make_history(history.symbols, MINUTE_MS, history.open_time_ms, columns, 0, (), "drawn", True)
    with pytest.raises(DataError, match="S0USDT"):
        simple(history=bad).swept()


def test_bars_of_another_interval_than_the_settings_are_refused() -> None:
    case = drawn(1, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="share")
    case.settings = parse_settings({"market": {"interval_minutes": 15}}, "the test")
    with pytest.raises(BadInputError, match=r"bars of 60000 ms, and market\.interval_minutes is 15; load bars of that"):
        case.swept()


def test_values_of_another_shape_and_too_much_leverage_are_refused() -> None:
    with pytest.raises(BadInputError, match="shape"):
        simple(values=np.zeros((1, 3))).swept()
    with pytest.raises(SettingsError, match="leverage"):
        simple(instruments={"S0USDT": replace(instrument(0, "0.01", "0.001", "5"), max_leverage=0)}).swept()
