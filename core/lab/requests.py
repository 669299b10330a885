"""What the command line and the console ask of the backtest lab, as plain requests, rows and a protocol.

This module stays light: no numpy, no schema of settings. An implementation imports everything heavy inside its
methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from core.domain.progress import OnProgress, ShouldStop
from core.domain.rows import Row
from core.settings.values import Grid, Market, Overrides

if TYPE_CHECKING:
    from core.lab.report.data import Report


Engine = Literal["event-driven", "sweep"]


Status = Literal["complete", "partial", "failed"]

OBJECTIVES = ("sharpe", "sortino", "calmar", "total_return_pct")
"""The figures that a search can raise, of the whole period tried."""

EXPORT_FORMS = ("html", "csv", "parquet", "json", "freqtrade", "quantstats")


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One run of a strategy over stored candles.

    `market` None and `symbols` empty take those of the settings. The period is [from_ms, to_ms), None for the data's
    own ends or what the preset says. `settings_path` None takes the home's file or the defaults; the preset's
    overrides come over it, `overrides` over both. `seed` None takes that of the settings; `jobs` None that of
    `[compute]`. `predictions` is the id of a run whose predictions stand in for those of the strategy's rule or model.
    A period with holes in its candles is refused unless `allow_holes`.
    """

    strategy: str
    settings_path: Path | None = None
    symbols: tuple[str, ...] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    overrides: Overrides = ()
    preset: str | None = None
    engine: Engine = "event-driven"
    seed: int | None = None
    jobs: int | None = None
    note: str = ""
    predictions: str | None = None
    market: Market | None = None
    allow_holes: bool = False


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """Many runs of one strategy and period with the fast sweep, each with other values of some settings.

    Without `trials` every combination of `grid` is tried. With it, so many are drawn by Optuna to raise `objective`:
    from `grid`, or from the strategy's own search space where the grid is empty. `resume` is the id of a sweep to go
    on with: what it has tried is not tried again, and its request stands in for all but `trials` and `run.jobs`.
    """

    run: BacktestRequest
    grid: Grid = ()
    trials: int | None = None
    objective: str = "sharpe"
    resume: str | None = None


@dataclass(frozen=True, slots=True)
class WalkForwardRequest:
    """One unbroken run in which, every `test_ms`, parameters are chosen on the `train_ms` before and then traded.

    `anchored` training windows all begin where the first does. `embargo_ms` is left out between training and test,
    on top of the horizon of the labels. Parameters are chosen as in a sweep; without `grid` and `trials` they stay
    and only the model is trained anew. `train_ms` and `test_ms` None take those of the preset.
    """

    run: BacktestRequest
    train_ms: int | None = None
    test_ms: int | None = None
    anchored: bool = False
    embargo_ms: int = 0
    grid: Grid = ()
    trials: int | None = None
    objective: str = "sharpe"


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Look for look-ahead and other bias in a strategy. `only` names some of the checks; empty for all."""

    run: BacktestRequest
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """Cross-validate a strategy's model: every choice of `test_folds` of `folds` runs of time is left out once."""

    run: BacktestRequest
    folds: int = 6
    test_folds: int = 2
    embargo_ms: int = 0


class Lab(Protocol):
    """The lab of one home. Every method may raise BadInputError, DataError and StorageError.

    A run's id is a letter and a number: `r0012` a backtest or walk-forward, `s0003` a sweep. Where an id is taken,
    so is its number without zeros (r12), or the beginning of an id where only one has it.

    A *summary* row has: run_id, kind ("backtest", "walkforward", "sweep"), strategy, engine, symbols (list), from_ms,
    to_ms, interval_ms, created_ms, status ("complete", "partial", "failed"), labels (list of warnings that must stand
    beside every figure), source, is_synthetic, in_sample, data_hash, code_version, seed, trials (parameter sets tried
    on this data, this one included), trades, total_return_pct, sharpe, max_drawdown_pct, initial_usdt, final_usdt,
    note, overrides (list of [key, value]). A figure that does not exist is None. Of a sweep, the figures are those of
    its best trial and `trials` counts its own.

    A *detail* row is a summary with: verdict (one sentence), market ("imported" or "recorded", None of a run that kept
    no name of it), settings (object), rules (list: contract rules, a row a symbol), figures (object: every statistic
    by its name with unit), breakdowns (object: a list of rows each by "symbol", "hour", "exit_reason" and the like),
    vetoes, limits and trainings (objects: counts by name), open_positions, assumed_settlements (of funding, on
    positions, missing in the data) and assumed_usdt (what was booked for them); of a sweep also objective, grid (list
    of [key, values]) and best (list of rows: number, parameters (object), state, trades, return_days,
    total_return_pct, sharpe, max_drawdown_pct, final_usdt, limit_ended_at_ms; the best first).

    Figures of a year and probabilities are None for fewer than 30 whole UTC days (core.lab.statistics.basis).
    """

    def choices(self) -> Row:
        """What a form offers: strategies (list of names), presets (list of rows: name, about), symbols (list of rows:
        market, symbol, first_ms, last_ms, is_synthetic)."""
        ...

    def backtest(self, request: BacktestRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        """Run, store, and tell the detail row."""
        ...

    def sweep(self, request: SweepRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        """Try, store every trial as it comes, and tell the detail row."""
        ...

    def walk_forward(self, request: WalkForwardRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        """Run, store, and tell the detail row, with folds (list of rows: train_from_ms, train_to_ms, test_from_ms,
        test_to_ms, parameters, and figures of the test) among the breakdowns."""
        ...

    def check(self, request: CheckRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        """strategy, symbols, from_ms, to_ms, labels, source, verdict (one line), faults (how many), marked_runs (how
        many stored runs of this code bear the label of a fault since) and checks (list of rows: check, status ("clean",
        "fault", "warn" or "unknown"), detail, mend, figures (object); the same order always). Stopped early, the checks
        that were not made are "unknown"."""
        ...

    def validate(self, request: ValidateRequest, progress: OnProgress, should_stop: ShouldStop) -> Row:
        """strategy, symbols, from_ms, to_ms, labels, source, folds, test_folds, status ("partial" where it was stopped)
        verdict (one sentence) and validations (list of rows, one a symbol: symbol, rows, days (whole UTC
        ones without holes), trainings, paths (list of rows: trades, mean_net_bps, net_bps, errors_above (standard
        errors of the mean above 0), sharpe) and positive_share_pct (of the paths that have errors_above, None where
        none has))."""
        ...

    def runs(self) -> list[Row]:
        """Summaries, the newest last."""
        ...

    def figures(self) -> dict[str, Row]:
        """All figures of every run by its id, those for sorting alone among them (core.lab.statistics.basis.RANKS)."""
        ...

    def run(self, run_id: str) -> Row:
        """The detail row."""
        ...

    def report(self, run_id: str) -> Report:
        """What the summary, the page and the exports of a run are made of. Raises BadInputError for a sweep."""
        ...

    def trades(self, run_id: str) -> list[Row]:
        """Closed trades in order of their exits: the names of core.lab.run.result.TradeColumns, side +1 or -1, and
        those of core.lab.run.result.TradePlans with closed_early; None for what is not known."""
        ...

    def curve(self, run_id: str, points: int) -> Row:
        """time_ms, equity_usdt and drawdown_pct (0 or below): lists of one length, `points` (8 or more) at most.

        The first and the last, the least and the greatest equity and the deepest drawdown are among them.
        """
        ...

    def bars(self, run_id: str, symbol: str, from_ms: int, to_ms: int, interval_ms: int) -> Row:
        """The candles around a trade: open_ms, open, high, low, close and volume (lists of one length, oldest first).

        They are those that the run was made on and that open in [from_ms, to_ms), joined into candles of
        `interval_ms`, a whole multiple of the run's own, that begin on multiples of it in UTC. Slots without a candle
        are left out. Raises DataError where the run's candles are no longer stored.
        """
        ...

    def compare(self, run_ids: Sequence[str]) -> Row:
        """runs (list of summaries, as asked), figures (list of rows: name, values (list, one a run)) and settings
        (likewise: only the keys whose values differ)."""
        ...

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        """The summaries of what is gone. What was tried stays counted."""
        ...

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> Row:
        """run_id, form and files (list of the paths written). Raises RefusedError where one is there and `overwrite` is
        off."""
        ...
