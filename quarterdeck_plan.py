"""What a request to the lab stands for, looked up and checked, and how it is run: part of the composition root.

Heavy imports stand inside the functions that need them, as in `quarterdeck`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.clock import monotonic_ns
from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.domain.progress import OnProgress, Progress, ShouldStop
from core.home.folder import Home
from core.lab.requests import BacktestRequest, Engine
from core.settings.values import MARKETS, Grid, Market, Overrides
from quarterdeck_rules import rules_of_history

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.compute.pool import Compute
    from core.domain.instrument import Instrument
    from core.lab.data.history import History
    from core.lab.run.evaluation import Ground
    from core.lab.run.result import Provenance, RunResult
    from core.lab.run.trainings import PlannedTraining, Prepared
    from core.learning.dataset import OpenLearner
    from core.market.contracts.rules import ContractRules
    from core.ports import Forecaster
    from core.settings.schema import Settings
    from core.strategy.declaration import Strategy
    from storage.database import Database

    Values = Mapping[str, NDArray[np.float64]]
    Markets = Callable[[Market], Database]
    """The candles of each market, opened when they are asked for."""

ROOT = Path(__file__).resolve().parent
DATA = ROOT / "data"
SPREAD_FROM_S = 10.0
"""Work that one process does in less is not spread: starting others and their imports takes some seconds."""

TOLD_SERIES = 6
"""So many of the series that there are stand in the line that says what is missing."""

DECIDING = ("core", "strategies")
"""The packages whose code decides what a run gives."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A request with everything that it names looked up and checked."""

    settings: Settings
    strategy: Strategy
    rules: Mapping[str, ContractRules]
    instruments: Mapping[str, Instrument]
    history: History
    seed: int
    overrides: Overrides
    note: str
    jobs: int | None

    def under(self, overrides: Overrides) -> Plan:
        """The same over the same history with other settings. Raises SettingsError."""
        from core.lab.run.overrides import with_overrides

        settings = with_overrides(self.settings, self.strategy.name, overrides)
        return replace(
            self,
            settings=settings,
            strategy=load(self.strategy.name, settings),
            instruments=instruments_of(self.rules, settings),
            overrides=(*self.overrides, *overrides),
        )

    def code_version(self) -> str:
        return code_version(self.strategy.name, self.strategy)

    def own_hash(self) -> str:
        """The name of its parameter set."""
        from core.lab.search.trials import parameter_hash

        return parameter_hash(self.settings.model_dump(mode="json"), self.strategy.name)

    def provenance(self, engine: Engine, *, in_sample: bool, trials: int, fault: str = "") -> Provenance:
        from core.lab.data.holes import hole_labels, holes
        from core.lab.data.notes import jump_labels
        from core.lab.run.result import Provenance

        history = self.history
        return Provenance(
            strategy=self.strategy.name,
            engine=engine,
            symbols=history.symbols,
            from_ms=history.from_ms,
            to_ms=history.to_ms,
            interval_ms=history.interval_ms,
            source=history.source,
            data_hash=history.data_hash,
            is_synthetic=history.is_synthetic,
            in_sample=in_sample,
            settings_json=self.settings.model_dump_json(),
            code_version=self.code_version(),
            seed=self.seed,
            trials=trials,
            rules_json=json.dumps([rules.told() for rules in self.rules.values()]),
            data_labels=(
                *hole_labels(holes(history)),
                *jump_labels(history, self.settings.lab.jump_volatilities),
            ),
            fault=fault,
        )

    def compute(self, home: Home) -> Compute:
        from core.compute.pool import compute_of

        return compute_of(self.settings.compute, self.jobs, home.worker_log)

    def ground(self, values: Values | None = None) -> Ground:
        """What the trials of a search stand on. `values` are predictions of a run of before."""
        from core.lab.run.evaluation import Ground

        history = self.history
        return Ground(
            history, self.settings, self.strategy.name, load, self.instruments, values, warm_up_bars=history.first
        )


def load(name: str, settings: Settings) -> Strategy:
    from core.strategy.loading import load_strategy

    return load_strategy(name, settings)


def open_learner(strategy: Strategy) -> OpenLearner | None:
    """The learner of a model that shows its rows, None of any other."""
    from core.learning.dataset import OpenLearner

    if strategy.model is None:
        return None
    learner = import_module(strategy.model.factory).create_learner(json.loads(strategy.model.options))
    return learner if isinstance(learner, OpenLearner) else None


def instruments_of(rules: Mapping[str, ContractRules], settings: Settings) -> dict[str, Instrument]:
    """Raises BadInputError for a contract that is quoted in another coin than accounts are kept in."""
    return {symbol: rules.instrument(settings.costs) for symbol, rules in rules.items()}


def market_of(own: Provenance) -> Market:
    """The market that a run was made on. Of one that did not keep its name, the names of its files tell."""
    name = json.loads(own.settings_json).get("lab", {}).get("market")
    if name in MARKETS:
        return MARKETS[MARKETS.index(name)]
    shipped = {path.name for path in DATA.glob("*/*.parquet")}
    files = own.source.partition(" and ")[0].split(", ")
    return "recorded" if shipped.issuperset(files) else "imported"


def code_version(name: str, strategy: Strategy | None = None) -> str:
    """The program's version, and a digest of the code that decides; behind it one of the strategy's own code, where
    the strategy `name` comes from elsewhere."""
    from core.strategy.loading import outside_code

    ours = [path for package in DECIDING for path in sorted((ROOT / package).rglob("*.py"))]
    outside = outside_code(name, strategy)
    parts = [_digest(ours), *([_digest(outside)] if outside else [])]
    return f"{version('quarterdeck')}+{'.'.join(parts)}"


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.blake2b(digest_size=4)
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_plan(home: Home, markets: Markets, request: BacktestRequest, space: Grid | None = None) -> Plan:
    """The history begins early enough for every parameter set of `space`, () for the strategy's own.

    Raises BadInputError, SettingsError or DataError for what cannot be.
    """
    from core.lab.data.holes import holes, refuse_holes
    from core.lab.run.overrides import section_of, with_overrides
    from core.lab.run.presets import find_preset
    from core.settings.schema import Settings, known_keys, load_settings
    from core.strategy.declaration import history_ms
    from storage.history import load_history

    path = request.settings_path or (home.settings if home.settings.exists() else None)
    settings = load_settings(path) if path is not None else Settings()
    overrides = request.overrides
    preset = find_preset(request.preset) if request.preset else None
    if preset is not None:
        overrides = (*preset.overrides(known_keys(Settings, section_of(request.strategy))), *overrides)
    settings = with_overrides(settings, request.strategy, overrides)
    if request.market is not None:
        settings = settings.model_copy(update={"lab": settings.lab.model_copy(update={"market": request.market})})
    strategy = load(request.strategy, settings)
    symbols = request.symbols or settings.market.symbols
    candles = markets(settings.lab.market)
    stored = _span(home, settings.lab.market, candles, symbols)
    warm_up_ms = history_ms(strategy, MINUTE_MS)
    first_ms, full_ms, last_ms = stored
    from_ms, to_ms = request.from_ms, request.to_ms
    if preset is not None:
        from_ms, to_ms = preset.period(from_ms, to_ms, last_ms)
    from_ms = min(full_ms + warm_up_ms, last_ms) if from_ms is None else from_ms
    to_ms = last_ms if to_ms is None else to_ms
    if to_ms <= from_ms:
        raise BadInputError(f"--to must be after --from; stored are {_text(first_ms, last_ms)}")
    if strategy.model is not None:
        _check_room(strategy.name, warm_up_ms, from_ms, stored)
    if from_ms < first_ms or to_ms > last_ms:
        raise BadInputError(
            f"the period {_text(from_ms, to_ms)} goes beyond what is stored, {_text(first_ms, last_ms)}; "
            "choose --from and --to within, or import more candles"
        )
    warm_up_bars = warm_up_ms // MINUTE_MS
    if space is not None:
        from core.lab.run.evaluation import longest_look_back

        longest = longest_look_back(settings, strategy.name, load, space or strategy.search_space)
        warm_up_bars = max(warm_up_bars, longest)
    max_hole_ms = int(settings.lab.max_hole_minutes * MINUTE_MS)
    history = load_history(candles, symbols, MINUTE_MS, from_ms, to_ms, warm_up_bars, max_hole_ms)
    if not request.allow_holes:
        refuse_holes(holes(history), max_hole_ms)
    rules = rules_of_history(history, settings.lab.market, candles)
    instruments = instruments_of(rules, settings)
    seed = settings.demo.seed if request.seed is None else request.seed
    return Plan(settings, strategy, rules, instruments, history, seed, overrides, request.note, request.jobs)


def execute(
    plan: Plan,
    home: Home,
    engine: Engine,
    progress: OnProgress,
    should_stop: ShouldStop,
    values: Values | None = None,
) -> RunResult:
    """Run a plan. `values` are predictions that stand in for those of rule or model."""
    if engine == "sweep":
        return _sweep(plan, values)
    return asyncio.run(_event_driven(plan, home, progress, should_stop, values))


def _sweep(plan: Plan, values: Values | None) -> RunResult:
    from core.lab.run.fixed_predictions import known_values, rule_values
    from core.lab.sweep.sweep import prepare, run

    if values is not None:
        table = known_values(values, plan.history)
    elif plan.strategy.rule is not None:
        table = rule_values(plan.strategy, plan.history)
    else:
        raise BadInputError(f"{plan.strategy.name} has a model, which the sweep cannot train; use --engine event")
    prepared = prepare(plan.history, plan.instruments, plan.settings.costs.assumed_funding_bps)
    return run(prepared, plan.settings, plan.strategy, table)


async def _event_driven(
    plan: Plan, home: Home, progress: OnProgress, should_stop: ShouldStop, values: Values | None
) -> RunResult:
    """The live code over the plan's history."""
    from core.lab.run.event_driven import run
    from core.trader.trader import Trader
    from core.venues.rebuild import journalled_venue

    async with AsyncExitStack() as stack:
        forecaster = None
        if plan.strategy.model is not None and values is None:
            forecaster = await stack.enter_async_context(_models(plan, home))
        return await run(
            plan.history,
            Trader("backtest", plan.strategy, plan.settings, plan.instruments),
            journalled_venue(plan.instruments, plan.settings),
            forecaster,
            progress=lambda done, total: progress(Progress(done, total, "bars")),
            should_stop=should_stop,
            values=values,
        )


@asynccontextmanager
async def _models(plan: Plan, home: Home) -> AsyncIterator[Forecaster]:
    """The run's models, trained ahead of it side by side and kept as long as it lasts.

    Raises what ended a training once the run is over, so that no result tells of a strategy that lost its models.
    """
    from core.lab.run.trainings import Prepared, PreparedForecaster, planned_trainings
    from core.learning.forecaster import WorkerForecaster
    from core.learning.in_process import InProcess

    over = threading.Event()
    with tempfile.TemporaryDirectory(prefix="models-", dir=home.root) as models:
        planned = planned_trainings(plan.history, plan.strategy, plan.settings)
        prepared = Prepared(planned, Path(models))
        training = asyncio.create_task(asyncio.to_thread(_train_all, plan, home, planned, prepared, over))
        try:
            yield PreparedForecaster(WorkerForecaster(plan.strategy, InProcess(), Path(models), plan.seed), prepared)
        finally:
            over.set()
            await training


def _train_all(
    plan: Plan, home: Home, planned: Sequence[PlannedTraining], prepared: Prepared, over: threading.Event
) -> None:
    from core.compute.pool import run_tasks
    from core.lab.run.trainings import train_ahead, training_ground

    ground = training_ground(plan.history, plan.strategy, plan.seed)
    compute = plan.compute(home)
    here = replace(compute, backend="local", jobs=1)
    how: Any = {"on_result": lambda _, trained: prepared.keep(trained), "should_stop": over.is_set}
    try:
        begun_ns = monotonic_ns()
        run_tasks(train_ahead, ground, planned[:1], here, **how)
        left = planned[1:]
        short = (monotonic_ns() - begun_ns) / 1e9 * len(left) < SPREAD_FROM_S
        run_tasks(train_ahead, ground, left, here if short and compute.backend == "local" else compute, **how)
    finally:
        prepared.give_up("the trainings ended before their time")


def _check_room(strategy: str, window_ms: int, from_ms: int, stored: tuple[int, int, int]) -> None:
    """Raises BadInputError where the first model has not its whole window of bars before `from_ms`."""
    from core.lab.statistics.figures import duration_text

    first_ms, full_ms, last_ms = stored
    if from_ms >= full_ms + window_ms:
        return
    need = f"{strategy} trains on the {duration_text(window_ms)} before its first trade"
    if full_ms + window_ms >= last_ms:
        raise BadInputError(
            f"{need}, and stored are {_text(first_ms, last_ms)}; import more with: quarterdeck data import FILE"
        )
    raise BadInputError(f"{need}; choose a --from of {_text(full_ms + window_ms)} or later")


def _span(home: Home, market: Market, candles: Database, symbols: Sequence[str]) -> tuple[int, int, int]:
    """From where the first symbol has bars, from where every one has, and to where the last one ends.

    Raises BadInputError that tells what there is where a symbol has none.
    """
    from storage.history import stored_series

    series = stored_series(candles, MINUTE_MS)
    missing = [symbol for symbol in symbols if symbol not in series]
    if missing:
        raise _not_there(home, market, candles, missing)
    first = [series[symbol].first_ms for symbol in symbols]
    return min(first), max(first), max(series[symbol].last_ms for symbol in symbols)


def _not_there(home: Home, market: Market, candles: Database, missing: Sequence[str]) -> BadInputError:
    from core.market.intervals import interval_text
    from storage.history import all_series

    mend = "import some with: quarterdeck data import FILE, or take the market of the program with: --market recorded"
    there = all_series(candles)
    if not there:
        return BadInputError(f"no candles are imported into {home.root}; {mend}")
    told = [f"{s.symbol} {interval_text(s.interval_ms)} {_text(s.first_ms, s.last_ms)}" for s in there[:TOLD_SERIES]]
    more = f" and {len(there) - TOLD_SERIES} more" if len(there) > TOLD_SERIES else ""
    what = f"no 1m candles of {', '.join(missing)} are {market}, and the lab runs on those; there are "
    if any(series.interval_ms == MINUTE_MS for series in there):
        mend = "name one of 1m with --symbol" + (f", or {mend}" if market == "imported" else "")
    return BadInputError(f"{what}{'; '.join(told)}{more}; {mend}")


def _text(*times_ms: int) -> str:
    from core.home.logbook import iso_utc

    return " to ".join(iso_utc(time_ms)[:16].replace("T", " ") for time_ms in times_ms) + " UTC"
