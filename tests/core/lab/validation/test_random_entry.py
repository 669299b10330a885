from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.domain.forecast import Output
from core.lab.data.history import History
from core.lab.run.event_driven import run_event_driven
from core.lab.run.result import Floats, RunResult
from core.lab.validation.random_entry import RandomEntry, random_entry
from core.settings.schema import Settings
from core.strategy.declaration import Strategy
from tests import declared
from tests.core.lab.markets import instrument, make_parts, names, random_history, random_values, strategy

NAMES = names(2)
INSTRUMENTS = {name: instrument(name) for name in NAMES}
SETTINGS = Settings()


@pytest.fixture(scope="module")
def history() -> History:
    return random_history(np.random.default_rng(8), 2, 900, gaps=False)


@pytest.fixture(scope="module")
def result(history: History) -> RunResult:
    trader, venue = make_parts(strategy(), NAMES, {}, INSTRUMENTS)
    return run_event_driven(
        history, trader, venue, values=random_values(np.random.default_rng(2), 2, len(history), share=0.1)
    )


def drawn(result: RunResult, history: History, chosen: Strategy, seed: int = 3) -> RandomEntry | None:
    return random_entry(result, history, SETTINGS, chosen, INSTRUMENTS, seed, runs=5)


def test_the_same_seed_draws_the_same(result: RunResult, history: History) -> None:
    one, again, other = (drawn(result, history, strategy(), seed) for seed in (3, 3, 4))
    assert one is not None
    assert again is not None
    assert other is not None
    assert one.median_final_usdt == again.median_final_usdt != other.median_final_usdt
    assert len(one.curve) == len(result.curve)
    assert one.curve.equity_usdt[-1] == pytest.approx(one.median_final_usdt, abs=1e-6)


def test_two_hundred_are_drawn_unless_asked_for_otherwise(result: RunResult, history: History) -> None:
    found = random_entry(result, history, SETTINGS, strategy(), INSTRUMENTS, 3)
    assert found is not None
    assert found.runs == 200
    assert found.beaten_pct == pytest.approx(round(found.beaten_pct * 2) / 2), "half a percent each"


def test_every_draw_is_what_it_is_alone(result: RunResult, history: History) -> None:
    """One table serves all draws: what one of them set is gone in the next."""
    together = drawn(result, history, strategy())
    alone = [random_entry(result, history, SETTINGS, strategy(), INSTRUMENTS, seed, runs=1) for seed in range(15, 20)]
    finals = [found.median_final_usdt for found in alone if found is not None]
    assert together is not None
    assert len(set(finals)) == 5
    assert together.median_final_usdt == sorted(finals)[2]


def test_what_ends_above_all_of_them_beats_all(result: RunResult, history: History) -> None:
    lucky = dataclasses.replace(result, final_usdt=1e9)
    unlucky = dataclasses.replace(result, final_usdt=0.0)
    best, worst = drawn(lucky, history, strategy()), drawn(unlucky, history, strategy())
    assert best is not None
    assert worst is not None
    assert (best.beaten_pct, worst.beaten_pct) == (100.0, 0.0)


def test_without_trades_or_where_it_cannot_be_swept_there_is_none(result: RunResult, history: History) -> None:
    trader, venue = make_parts(strategy(), NAMES, {}, INSTRUMENTS)
    idle = run_event_driven(history, trader, venue, values={})
    assert drawn(idle, history, strategy()) is None
    never = strategy(decide=declared.never)
    assert drawn(result, history, never) is None


def test_sides_of_a_classifier_are_outputs_of_the_run_that_made_it_enter(history: History) -> None:
    """Nothing is made up for it: no probability is far from zero."""
    outputs = (Output("p_down", "probability"), Output("p_up", "probability"))
    chosen = strategy(outputs=outputs, decide=likelier, because=None, parameters=(0.6,))
    rng = np.random.default_rng(3)
    up = np.where(rng.random((2, len(history))) < 0.1, rng.random((2, len(history))), np.nan)
    values = dict(zip(NAMES, np.stack([1.0 - up, up], axis=-1), strict=True))
    trader, venue = make_parts(chosen, NAMES, {}, INSTRUMENTS)
    result = run_event_driven(history, trader, venue, values=values)
    assert set(result.trades.side.tolist()) == {-1, 1}
    found = drawn(result, history, chosen)
    assert found is not None
    assert found.runs == 5


def likelier(values: Floats, cost_bps: float, parameters: Floats) -> tuple[int, float]:
    if values[1] > parameters[0]:
        return 1, values[1]
    return (-1, values[0]) if values[0] > parameters[0] else (0, values[0])
