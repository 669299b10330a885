"""What a strategy is to the core: a declaration of parts, readable on one screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.domain.forecast import Because, Output
from core.domain.origin import ONLY_PART
from core.domain.trading import ExitReason
from core.position.ladder import Ladder
from core.position.policy import ExitPolicy
from core.settings.values import Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

DecideFunction = Callable[["Vector", float, "Vector"], tuple[int, float]]
"""(values, round_trip_cost_bps, parameters) -> (+1 long, -1 short, 0 nothing; confidence in 0..1, NaN for unknown).

`values` (outputs,) are the strategy's outputs in declared order, NaN for one that says nothing; `parameters` are the
strategy's. Pure arithmetic that numba can compile, as everything else that is given vectors here.
"""

BecauseFunction = Callable[["Vector", float, "Vector", int], tuple[Because, ...]]
"""(values, round_trip_cost_bps, parameters, direction) -> what `decide` compared with what; never compiled."""

BracketFunction = Callable[["Vector", float, "Vector"], tuple[float, float | Ladder]]
"""(values, volatility_pct, parameters) -> distances of stop and target from the entry in percent of its price; in place
of the target a tuple of up to four as (distance, share), always as many, the nearest first (`core.position.ladder`).

`volatility_pct` is what the output of that name says, NaN where it says nothing. A stop that is NaN vetoes the entry, a
target that is NaN is none, and a ladder that no trade can have is a veto.
"""

SizingFunction = Callable[[float, float, float, float, float, int, "Vector"], float]
"""(equity_usdt, price, stop_pct, confidence, volatility_pct, open_trades, parameters) -> the notional that is wanted,
as a share of equity: 1.0 is all of it once. NaN, 0 and below want nothing. The limits of the settings cut it as any."""

ExitFunction = Callable[[int, float, float, "Vector", int, float], bool]
"""(side_sign, entry_price, price, values, held_ms, parameter) -> leave now; see `core.arithmetic.exits`."""


Unit = Literal["bps", "pct", "ms", "probability", ""]

Scope = Literal["symbol", "market"]
"""Of what a part speaks: of each symbol by itself, or once of all at the same close."""

ScanFunction = Callable[..., Any]
"""(state, open, high, low, close, volume, parameters) -> values, all arrays of float64; see `Rule`. Of a part with
inputs it is (state, open, high, low, close, volume, seen, parameters), with `seen` (n, columns of the inputs). Of one
over the market each price is (n, symbols), in the order in which the run has them, NaN where a symbol lacks the bar."""


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One exit. `function` is pure arithmetic that numba can compile; rules are asked in order at every bar of a
    position, the first True wins. `unit` is that of the parameter, for the words of a signal: bps against the position
    and a probability are of the first output, pct is of the entry's price, and "" where a rule of one's own does not
    say.
    """

    reason: ExitReason
    function: ExitFunction
    parameter: float
    unit: Unit = ""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a model is trained, on what, and how many versions of it stay on disk beside those in use."""

    window_ms: int
    retrain_ms: int
    keep_versions: int = 10


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where a part's model comes from: plain data, handed to worker processes.

    `factory` is the import path of a module with `create_learner(options)` (`core.learning.protocol`); `options` is a
    JSON object.
    """

    factory: str
    options: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Outputs told from bars by arithmetic alone, as a fold: `scan` takes the next n bars of one symbol, oldest first,
    returns the outputs of each, (n, outputs), or (n,) where there is one (NaN: nothing to say), and keeps what it must
    remember in `state`, zeros at the start. Bars may come one by one or all at once, and the values must be the same:
    live trading sends them one by one, a backtest all at once. `scan` is compiled by numba with cache=True.

    What a part's inputs were at the close of each bar is NaN where they are missing. Such bars are folded in, too, and
    nothing that is said of them counts.
    """

    scan: ScanFunction
    state_size: int
    parameters: tuple[float, ...]


AskFunction = Callable[..., Any]
"""(window) -> the part's outputs in order, None or NaN for one that says nothing, None for none at all; a coroutine
function, or a plain one, which runs in a thread of its own. `window` are the last bars, as a model is given them."""


@dataclass(frozen=True, slots=True)
class Analyst:
    """A source outside, slow, which may fail. `create` is called once by an engine in real time and gives what is
    asked. An answer that takes longer than `timeout_ms` is none, and so is what it raises: that is told and counted.
    In virtual time nobody is asked: what was said in real time, and stored, is said again."""

    create: Callable[[], AskFunction]
    timeout_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """What forecasts: named outputs of a symbol at the close of each bar, by a rule at once, by a model in a worker
    or by an analyst outside.

    `inputs` are what it sees beside the bars of its symbol, by name: "funding", "bars.15m", "time"
    (`core.market.seeing`), or parts that are declared before it, whose outputs of the same bar it is given. While one
    of them is missing at a close, nothing is forecast there.

    `lookback_bars` is how many closed bars one forecast of a model needs, the newest included, or how many a rule is
    shown before the first that it may trade on. A model needs a `lifecycle`. Without a `source` the forecasts come
    from elsewhere. `horizon_ms` is how far ahead the outputs speak of, 0 where that is no set time. In real time a
    forecast is decided on when it comes, but not once its bar closed longer than `max_age_ms` ago. In virtual time it
    is known `latency_ms` after the close, or after the last of the parts that it sees has spoken. With the `scope`
    "market" a rule is shown the bars of all symbols at once, and says one thing of them all.
    """

    outputs: tuple[Output, ...]
    lookback_bars: int
    source: Rule | ModelSpec | Analyst | None = None
    lifecycle: Lifecycle | None = None
    horizon_ms: int = 0
    name: str = ONLY_PART
    max_age_ms: int = 15_000
    inputs: tuple[str, ...] = ()
    latency_ms: int = 0
    scope: Scope = "symbol"

    @property
    def rule(self) -> Rule | None:
        return self.source if isinstance(self.source, Rule) else None

    @property
    def model(self) -> ModelSpec | None:
        return self.source if isinstance(self.source, ModelSpec) else None

    @property
    def analyst(self) -> Analyst | None:
        return self.source if isinstance(self.source, Analyst) else None


@dataclass(frozen=True, slots=True)
class Strategy:
    """The declaration. Everything numeric is pure, so trader and sweep share it.

    `parts` stand in the order in which they are asked at the close of a bar. `decide` and the exits are given the
    values of those named by `decides_on`, one part's outputs behind the other's, once each of them has spoken of the
    bar; without names, of the last. What of `decide` differs from
    one set of settings to another stands in `parameters`, so that it is compiled once. `because` says in words what
    `decide` compared; without it a signal tells the outputs.
    `stop_pct` and `target_pct` are distances from the entry in percent of its price; both rest at the venue. With a
    `ladder` there are several targets in place of that one, each with the share that it closes. With a
    `bracket` each signal has its own, and these are for what no decision asked for; with a `sizing` it has a size of
    its own, where else the settings' `[sizing]` gives it. `volatility` names the output, in pct, that both are told.
    `policies` are exits that look back on the trade and may move its stop; they are asked after the `exits`.
    `reverses`: a signal against the position closes it and, once it is flat, opens the other side.
    `needs_order_book` and `needs_trades`: a live market keeps the ten best levels and the last trades of its symbols.
    For those who search, keys of its own section: `search_space` has the values worth trying of each, and
    `decision_keys` are those that a model is not trained with, which may so be changed while its forecasts stay.
    """

    name: str
    parts: tuple[Part, ...]
    decide: DecideFunction
    stop_pct: float
    target_pct: float
    cooldown_ms: int
    exits: tuple[ExitRule, ...] = ()
    parameters: tuple[float, ...] = ()
    because: BecauseFunction | None = None
    ladder: Ladder = ()
    bracket: BracketFunction | None = None
    sizing: SizingFunction | None = None
    volatility: str = ""
    policies: tuple[ExitPolicy, ...] = ()
    reverses: bool = False
    needs_order_book: bool = False
    needs_trades: bool = False
    search_space: Grid = ()
    decision_keys: tuple[str, ...] = ()
    decides_on: tuple[str, ...] = ()

    @property
    def decided(self) -> tuple[Part, ...]:
        """The parts that are decided on, in the order in which `decide` is given them. Raises KeyError for a name of
        none."""
        if not self.decides_on:
            return self.parts[-1:]
        named = {part.name: part for part in self.parts}
        return tuple(named[name] for name in self.decides_on)

    @property
    def part(self) -> Part:
        """The last one that is decided on: a decision is its word."""
        return self.decided[-1]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What `decide` is given, in order."""
        return tuple(output for part in self.decided for output in part.outputs)

    @property
    def models(self) -> tuple[Part, ...]:
        """The parts that speak by a model."""
        return tuple(part for part in self.parts if part.model is not None)

    def hears_analysts(self, part: Part) -> bool:
        """Whether it is an analyst, or sees, of whatever part in between, what one says."""
        seen = [one for one in self.parts if one.name in self.parts_seen(part)]
        return part.analyst is not None or any(map(self.hears_analysts, seen))

    @property
    def has_analysts(self) -> bool:
        return any(part.analyst is not None for part in self.parts)

    @property
    def is_of_rules(self) -> bool:
        """Whether every part speaks by a rule, so that all is known of a history beforehand."""
        return all(part.rule is not None for part in self.parts)

    def parts_seen(self, part: Part) -> tuple[str, ...]:
        """Those of a part's inputs that are parts."""
        names = {one.name for one in self.parts}
        return tuple(name for name in part.inputs if name in names)

    def market_seen(self, part: Part) -> tuple[str, ...]:
        """Those of a part's inputs that are of the market."""
        names = {one.name for one in self.parts}
        return tuple(name for name in part.inputs if name not in names)

    @property
    def market_inputs(self) -> tuple[str, ...]:
        """What of the market any part sees beside bars, each once."""
        return tuple(dict.fromkeys(name for part in self.parts for name in self.market_seen(part)))

    def learns_late(self, part: Part) -> bool:
        """Whether it sees, of whatever part in between, what a model says: of that nothing is known before it is
        said."""
        named = {one.name: one for one in self.parts}
        seen = [named[name] for name in self.parts_seen(part)]
        return any(one.rule is None or self.learns_late(one) for one in seen)


def known_after_ms(strategy: Strategy, part: Part, least_ms: int = 0) -> int:
    """How long after a close it is known in virtual time what a part says: `least_ms` at least."""
    seen = [one for one in strategy.parts if one.name in strategy.parts_seen(part)]
    behind_ms = max((known_after_ms(strategy, one) for one in seen), default=0)
    return max(least_ms, behind_ms + part.latency_ms)


def needed_bars(strategy: Strategy, part: Part, interval_ms: int) -> int:
    """How many bars before the first that a new account trades on a part is shown: the training window of a model, the
    look-back of a rule, and behind a rule's as many as those that see it are shown."""
    if part.lifecycle is not None:
        return part.lifecycle.window_ms // interval_ms
    behind = [one for one in strategy.parts if part.name in strategy.parts_seen(one)]
    return part.lookback_bars + max((needed_bars(strategy, one, interval_ms) for one in behind), default=0)


def history_ms(strategy: Strategy, interval_ms: int) -> int:
    """How much of the market lies before the first bar that a new account trades on."""
    return max(needed_bars(strategy, part, interval_ms) for part in strategy.parts) * interval_ms
