"""Exits that look back on a trade, in the sweep: the trades of trader and venue told every event, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.domain.errors import BadInputError
from core.lab.run.event_driven import run_event_driven
from core.position.kit.atr_stop import atr_stop
from core.position.kit.break_even import break_even
from core.position.kit.hard_loss import hard_loss
from core.position.kit.profit_lock import profit_lock
from core.position.kit.reversal import reversal
from core.position.kit.roi import roi
from core.position.kit.time_limit import time_limit
from core.position.kit.trailing import trailing
from core.position.policy import ADD, CLOSE, HOLD, MOVE_STOP, REDUCE, Candle, ExitPolicy, Held
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.lab.markets import ends_in_hole
from tests.core.lab.sweep.test_sweep import Case, assert_same, drawn

Rng = np.random.Generator


def _part_off(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    """A share of what is left, wherever the close is far enough from the entry, on either side."""
    away_pct = 100.0 * abs(bar.close / held.entry_price - 1.0)
    return (REDUCE, parameters[0]) if away_pct >= parameters[1] else (HOLD, 0.0)


def part_off(share: float, away_pct: float) -> ExitPolicy:
    return ExitPolicy("part off", _part_off, (share, away_pct), says=(REDUCE,))


def _behind(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    """A stop behind each close, nearer or further than the one of before."""
    return MOVE_STOP, bar.close * (1.0 - held.sign * parameters[0] / 100.0)


def behind(pct: float) -> ExitPolicy:
    return ExitPolicy("behind", _behind, (pct,), says=(MOVE_STOP,), loosens=True)


KIT: dict[str, Callable[[Rng, int], ExitPolicy]] = {
    "trailing": lambda rng, step: trailing(pct(rng), float(rng.choice([0.0, pct(rng)]))),
    "break-even": lambda rng, step: break_even(pct(rng), float(rng.choice([0.0, 3.0, -5.0]))),
    "profit lock": lambda rng, step: profit_lock(pct(rng), float(rng.uniform(0.0, 1.0))),
    "time limit": lambda rng, step: time_limit(float(rng.integers(1, 20) * step)),
    "roi": lambda rng, step: roi({0: pct(rng), step * 4 // 60_000 + 1: pct(rng) / 3, step * 11 // 60_000 + 2: 0.0}),
    "atr stop": lambda rng, step: atr_stop(int(rng.integers(1, 9)), float(rng.uniform(0.3, 4.0))),
    "hard loss": lambda rng, step: hard_loss(float(10 ** rng.uniform(-2.0, 2.0)), float(rng.choice([0.0, 4.0]))),
    "reversal": lambda rng, step: reversal(float(rng.uniform(0.0, 20.0))),
    "part off": lambda rng, step: part_off(float(rng.uniform(0.02, 1.1)), pct(rng)),
    "behind": lambda rng, step: behind(pct(rng)),
}


def pct(rng: Rng) -> float:
    return float(10 ** rng.uniform(-2.0, 0.7))


def watched(case: Case, names: tuple[str, ...], seed: int) -> Case:
    """The case with these policies, their parameters drawn."""
    rng = np.random.default_rng(seed)
    policies = tuple(KIT[name](rng, case.history.interval_ms) for name in names)
    return replace(case, strategy=replace(case.strategy, policies=policies))


plain_cases = st.builds(
    drawn,
    seed=st.integers(0, 10**6),
    k=st.integers(1, 3),
    reverses=st.booleans(),
    rules=st.sampled_from(["none", "none", "all"]),
    limits=st.sampled_from(["wide", "wide", "tight"]),
    market_kind=st.sampled_from(["calm", "gappy", "thin", "wild", "holes"]),
    sizing=st.sampled_from(["share", "risk", "fixed"]),
    interval_minutes=st.sampled_from([1, 1, 15, 240]),
)
chosen = st.lists(st.sampled_from(sorted(KIT)), min_size=1, max_size=4, unique=True).map(tuple)
cases = st.builds(watched, plain_cases, chosen, st.integers(0, 10**6))
FEW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=80, deadline=None, suppress_health_check=FEW)
@given(cases)
def test_gives_the_traders_trades_and_account(case: Case) -> None:
    assert_same(case)


@pytest.mark.parametrize("name", KIT)
def test_each_of_the_kit_decides_something_and_gives_the_traders_trades(name: str) -> None:
    changed = 0
    for seed in range(6):
        plain = drawn(
            seed, 1, reverses=False, rules="none", limits="wide", market_kind=("calm", "thin")[seed % 2], sizing="fixed"
        )
        case = watched(plain, (name,), seed)
        assert_same(case)
        before, after = plain.swept().trades, case.swept().trades
        changed += len(before) != len(after) or bool((before.exit_price != after.exit_price).any())
    assert changed > 1


def test_what_is_drawn_tries_everything() -> None:
    """The policies leave, reduce and stop, alone and beside each other, and trades that are reduced go on."""
    reasons: Counter[str] = Counter()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        names = tuple(rng.choice(sorted(KIT), 1 + seed % 4, replace=False).tolist())
        kind = ("calm", "gappy", "thin", "wild", "holes")[seed % 5]
        plain = drawn(
            seed, 1 + seed % 3, reverses=seed % 4 == 0, rules="none", limits="wide", market_kind=kind, sizing="share"
        )
        case = watched(plain, names, seed)
        assert_same(case)
        reasons.update(case.swept().trades.exit_reason.tolist())
    own = {"trailing stop", "time limit", "profit is enough", "forecast turned", "part off", "ATR stop", "behind"}
    assert set(reasons) >= own | {"stop", "target", "liquidation", "hole"}


@settings(max_examples=20, deadline=None, suppress_health_check=FEW)
@given(cases)
def test_the_event_driven_run_gives_the_same(case: Case) -> None:
    values = dict(zip(case.history.symbols, case.values, strict=True))
    trader = Trader("plain", case.strategy, case.settings, case.instruments)
    driven = run_event_driven(case.history, trader, journalled_venue(case.instruments, case.settings), values=values)
    swept = case.swept()
    for name in swept.trades.__slots__:
        np.testing.assert_array_equal(getattr(swept.trades, name), getattr(driven.trades, name), err_msg=name)
    np.testing.assert_allclose(swept.curve.equity_usdt, driven.curve.equity_usdt, rtol=1e-14)
    assert swept.plans is not None
    assert driven.plans is not None
    for name in ("expected_loss_usdt", "expected_profit_usdt"):
        np.testing.assert_array_equal(getattr(swept.plans, name), getattr(driven.plans, name), err_msg=name)


@settings(max_examples=20, deadline=None, suppress_health_check=FEW)
@given(cases)
def test_a_score_sums_up_the_run(case: Case) -> None:
    whole, few = case.swept(), case.score()
    assert (few.trades, few.final_usdt, few.ended_ms) == (len(whole.trades), whole.final_usdt, whole.ended_ms)
    assert few.net_usdt == pytest.approx(whole.trades.net_usdt.sum(), abs=1e-7)


@settings(max_examples=20, deadline=None, suppress_health_check=FEW)
@given(cases, st.integers(20, 230))
def test_what_comes_later_changes_no_trade_before(case: Case, end: int) -> None:
    history = case.history
    assume(not ends_in_hole(history, end))
    cut_ms = int(history.open_time_ms[end])
    short = history.between(history.from_ms, cut_ms, history.first)
    cut = replace(case, history=short, values=case.values[:, :end])
    whole, part = case.swept().trades, cut.swept().trades
    before = whole.exit_time_ms <= cut_ms
    for name in whole.__slots__:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[before], err_msg=name)


def simple(*policies: ExitPolicy) -> Case:
    case = drawn(3, 1, reverses=False, rules="none", limits="wide", market_kind="calm", sizing="share")
    return replace(case, strategy=replace(case.strategy, policies=policies))


class _Noon:
    """What numba cannot know."""

    hour = 12


NOON = _Noon()


def _at_noon(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    return (CLOSE if held.held_ms > NOON.hour else HOLD), 0.0


def _writes(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    state[0] = bar.close
    return HOLD, 0.0


def _divides(state: Any, held: Held, bar: Candle, values: Any, parameters: Any) -> tuple[int, float]:
    return HOLD, 1.0 / (held.qty - held.qty)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (ExitPolicy("at noon", _at_noon), "cannot compile step of its exit 'at noon': .*NOON.*; use quarterdeck backt"),
        (ExitPolicy("writes", _writes, state_size=1), "cannot compile step of its exit 'writes': .*"),
        (ExitPolicy("is none", max), "cannot compile step of its exit 'is none': .* is no plain function"),
        (ExitPolicy("adds", _behind, (1.0,), says=(ADD,)), "cannot run its exit 'adds', which may add; it can close"),
    ],
)
def test_what_cannot_be_compiled_is_refused_once_in_words(policy: ExitPolicy, why: str) -> None:
    with pytest.raises(BadInputError, match=f"strategy drawn: the sweep {why}"):
        simple(policy).swept()


def test_a_policy_that_fails_or_says_what_it_does_not_declare_ends_the_run_in_words() -> None:
    with pytest.raises(BadInputError, match="strategy drawn: its exit 'divides' raises an error"):
        simple(trailing(1.0), ExitPolicy("divides", _divides)).swept()
    with pytest.raises(BadInputError, match="strategy drawn: its exit 'behind' says what it does not declare"):
        simple(replace(behind(1.0), says=(CLOSE,))).swept()
