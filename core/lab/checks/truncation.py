"""The look for look-ahead that every run carries: at a few sampled bars the future is cut off, and nothing may change.

It costs little and finds what reaches ahead at those bars; `core.lab.checks.run` looks further and for more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import MARKET, Output
from core.lab.checks.causality import LOOK_AHEAD, RuleValues, check_dataset, cut, exact
from core.lab.checks.verdict import Status, Verdict
from core.lab.data.history import History
from core.lab.data.seeing import said_of_history, window_of, window_of_part, window_over_market
from core.lab.statistics.figures import utc_minute
from core.learning.dataset import OpenLearner
from core.ports import BarColumns
from core.strategy.chain import bars_behind, fresh_values
from core.strategy.declaration import Part, Strategy
from core.strategy.rules import RuleDesk

BARS = 12
"""How many bars of a run are looked at."""

AFTER_BARS = 3_000
"""How many later bars are shown beside a sampled one: who looks further ahead than that is found by `check`."""

SILENT_BARS = 400
"""So many bars of a run at which a rule says nothing are asked again without what came later."""

MODEL_BARS = 3_000
MODEL_SYMBOLS = 2


def fault_label(check: str, detail: str) -> str:
    """How a fault of the code stands beside every figure of what it gave."""
    name = "LOOK-AHEAD" if check == LOOK_AHEAD else f"NOT BELIEVABLE ({check})"
    return f"{name}: {detail}"


def quick_fault(strategy: Strategy, history: History, learners: Mapping[str, OpenLearner], seed: int) -> str:
    """The label of a rule, or of a model's features, that change once later bars exist; empty where none was found to.

    `learners` are those of the parts whose models show their rows. `seed` draws the bars. A part that sees what a model
    says is not looked into: only a run has that.
    """
    for part in strategy.parts:
        if strategy.learns_late(part):
            continue
        if part.rule is not None:
            found = _rule_faults(strategy, part, history, seed)
        else:
            found = _model_faults(learners.get(part.name), strategy, part, history)
        if (verdict := next(found, None)) is not None:
            return fault_label(LOOK_AHEAD, in_part(strategy, part, verdict.detail))
    return ""


def rule_values_of(strategy: Strategy, part: Part, history: History) -> RuleValues:
    """A fresh fold of a part's rule over the bars that it is given; what it sees of the whole market stands, and what
    a part over the market sees of any part."""
    if part.scope == "market":
        return lambda bars: RuleDesk(strategy, (MARKET,), 0, part).values(bars)
    market = said_of_history(history, strategy)
    return lambda bars: fresh_values(strategy, part, bars, market)


def windows_of_rule(strategy: Strategy, part: Part, history: History) -> Iterator[BarColumns]:
    """The bars of each symbol, or of all side by side, that a part is shown."""
    if part.scope == "market":
        yield window_over_market(history, strategy, part)
    else:
        yield from (window_of(history, symbol, strategy.market_inputs) for symbol in history.symbols)


def in_part(strategy: Strategy, part: Part, detail: str) -> str:
    """Of a strategy of several parts, with the part that it is said of."""
    return detail if len(strategy.parts) == 1 else f"part {part.name}: {detail}"


def _rule_faults(strategy: Strategy, part: Part, history: History, seed: int) -> Iterator[Verdict]:
    rng = np.random.default_rng(seed)
    lookback_bars = bars_behind(strategy, part)
    values_of = rule_values_of(strategy, part, history)
    for window in windows_of_rule(strategy, part, history):
        values = values_of(window)
        sampled = _sampled(values, max(1, BARS // len(history.symbols)), rng)
        silent = _drawn(np.flatnonzero(np.isnan(values).all(axis=1)), -(-SILENT_BARS // len(history.symbols)), rng)
        for bar in (*sampled, *_kept_back(values_of, window, silent, lookback_bars)):
            verdict = _looks_ahead(values_of, part.outputs, window, bar, lookback_bars)
            if verdict is not None:
                yield verdict


def _sampled(values: NDArray[np.float64], count: int, rng: np.random.Generator) -> list[int]:
    """Bars at which something is said, for there is most to find, and some at which nothing is."""
    is_said = ~np.isnan(values).all(axis=1)
    said, silent = np.flatnonzero(is_said), np.flatnonzero(~is_said)
    chosen = [*_drawn(said, -(-3 * count // 4), rng), *_drawn(silent, count // 4, rng)]
    return sorted({int(bar) for bar in chosen})


def _drawn(bars: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.choice(bars, min(count, len(bars)), replace=False) if len(bars) else bars


def _kept_back(
    values_of: RuleValues, window: BarColumns, silent: NDArray[np.int64], lookback_bars: int
) -> Iterator[int]:
    """Those of the `silent` bars at which something is said as long as they are the newest: a signal that went against
    what came later may have been taken back."""
    for bar in silent.tolist():
        if not np.isnan(values_of(cut(window, _start(bar, lookback_bars), bar + 1))[-1]).all():
            yield bar


def _start(bar: int, lookback_bars: int) -> int:
    return max(0, bar - 2 * lookback_bars - 100)


def _looks_ahead(
    values_of: RuleValues, outputs: Sequence[Output], window: BarColumns, bar: int, lookback_bars: int
) -> Verdict | None:
    """Compare what is said around `bar` with later bars and without; both begin at the same bar."""
    start = _start(bar, lookback_bars)
    newest = bar - start
    whole = values_of(cut(window, start, min(len(window.close), bar + 1 + AFTER_BARS)))[: newest + 1]
    part = values_of(cut(window, start, bar + 1))
    differing = np.argwhere(~((part == whole) | (np.isnan(part) & np.isnan(whole))))
    if not len(differing):
        return None
    at, m = (int(place) for place in differing[-1])
    output = outputs[m]
    whose = "the market" if window.symbol == MARKET else window.symbol
    return Verdict(
        LOOK_AHEAD,
        Status.FAULT,
        f"{whose}: of the bar at {utc_minute(int(window.open_time_ms[start + at]))} the rule says "
        f"{output.name} {exact(part[at, m], output)} while that at {utc_minute(int(window.open_time_ms[bar]))} is the "
        f"newest and {exact(whole[at, m], output)} once later bars exist",
    )


def _model_faults(learner: OpenLearner | None, strategy: Strategy, part: Part, history: History) -> Iterator[Verdict]:
    """A model that does not show its rows is given no later bar than the one it predicts at, and is not looked into."""
    if learner is None:
        return
    for symbol in history.symbols[:MODEL_SYMBOLS]:
        window = window_of_part(history, symbol, strategy, part)
        verdicts = check_dataset(learner, cut(window, max(0, len(window.close) - MODEL_BARS), len(window.close)), 3)
        yield from (verdict for verdict in verdicts if verdict.status is Status.FAULT)
