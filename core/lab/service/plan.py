"""What a request to the lab stands for, looked up and checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.home.folder import Home
from core.lab.requests import BacktestRequest, Engine
from core.lab.service.rules import rules_of_history
from core.market.lacking import not_there, span_text
from core.market.shipped import DATA
from core.market.streams import stream
from core.settings.values import MARKETS, Grid, Market, Overrides

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.compute.pool import Compute
    from core.domain.forecast import Forecast
    from core.domain.instrument import Instrument
    from core.lab.data.history import History
    from core.lab.run.evaluation import Ground
    from core.lab.run.result import Provenance
    from core.lab.service.stores import MarketStore
    from core.learning.dataset import OpenLearner
    from core.market.contracts.rules import ContractRules
    from core.ports import Forecaster
    from core.settings.schema import Settings
    from core.strategy.declaration import Part, Strategy

    Values = Mapping[str, NDArray[np.float64]]
    Markets = Callable[[Market], MarketStore]
    """The candles of each market, opened when they are asked for."""

Told = Callable[[str], "Sequence[Forecast]"]


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
    analysts: Mapping[str, Forecaster] = field(default_factory=dict)
    """What analysts said in real time, by part."""

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
        from core.strategy.code_version import code_version

        return code_version(self.strategy.name, self.strategy)

    def own_hash(self) -> str:
        """The name of its parameter set."""
        from core.lab.search.trials import parameter_hash

        return parameter_hash(self.settings.model_dump(mode="json"), self.strategy.name)

    def provenance(self, engine: Engine, *, in_sample: bool, trials: int, fault: str = "") -> Provenance:
        from core.lab.data.holes import hole_labels, holes
        from core.lab.data.notes import jump_labels, lack_labels
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
                *lack_labels(history, self.strategy),
                *(_analyst_label(name, one.describe()) for name, one in self.analysts.items()),
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


def _analyst_label(part: str, told: Mapping[str, Any]) -> str:
    """What stands beside every figure of a run in which an analyst is not asked."""
    return f"ANALYST: {part} says again what it said in real time, {told['stored']:,} times ({told['digest']})"


def load(name: str, settings: Settings) -> Strategy:
    from core.market.seeing import check_parts
    from core.strategy.loading import load_strategy

    strategy = load_strategy(name, settings)
    check_parts(strategy, settings.market.interval_ms)
    return strategy


def open_learner(part: Part) -> OpenLearner | None:
    """The learner of a part's model that shows its rows, None of any other."""
    from core.learning.dataset import OpenLearner

    if part.model is None:
        return None
    learner = import_module(part.model.factory).create_learner(json.loads(part.model.options))
    return learner if isinstance(learner, OpenLearner) else None


def open_learners(strategy: Strategy) -> dict[str, OpenLearner]:
    """Those of all parts, by part."""
    found = {part.name: open_learner(part) for part in strategy.models}
    return {name: learner for name, learner in found.items() if learner is not None}


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


def make_plan(
    home: Home, markets: Markets, request: BacktestRequest, space: Grid | None = None, told: Told = lambda name: ()
) -> Plan:
    """The history begins early enough for every parameter set of `space`, () for the strategy's own. `told` gives what
    the parts of a strategy said in real time.

    Raises BadInputError, SettingsError or DataError for what cannot be.
    """
    from core.engine.outside import stored_analysts
    from core.lab.data.holes import holes, refuse_holes
    from core.lab.run.overrides import keys_of, with_overrides
    from core.lab.run.presets import find_preset
    from core.market.seeing import streams_of
    from core.settings.of_home import settings_of
    from core.strategy.declaration import history_ms

    settings = settings_of(home, request.settings_path)
    overrides = request.overrides
    preset = find_preset(request.preset) if request.preset else None
    if preset is not None:
        overrides = (*preset.overrides(keys_of(request.strategy) or ()), *overrides)
    settings = with_overrides(settings, request.strategy, overrides)
    if request.market is not None:
        settings = settings.model_copy(update={"lab": settings.lab.model_copy(update={"market": request.market})})
    strategy = load(request.strategy, settings)
    symbols = request.symbols or settings.market.symbols
    candles = markets(settings.lab.market)
    interval_ms = settings.market.interval_ms
    stored = _span(home, settings.lab.market, candles, symbols, interval_ms)
    warm_up_ms = history_ms(strategy, interval_ms)
    first_ms, full_ms, last_ms = stored
    from_ms, to_ms = request.from_ms, request.to_ms
    if preset is not None:
        from_ms, to_ms = preset.period(from_ms, to_ms, last_ms)
    from_ms = min(full_ms + warm_up_ms, last_ms) if from_ms is None else from_ms
    to_ms = last_ms if to_ms is None else to_ms
    market = settings.lab.market
    if to_ms <= from_ms:
        raise _no_period(request, market, from_ms, to_ms, stored)
    if strategy.models:
        _check_room(strategy.name, warm_up_ms, from_ms, stored)
    if from_ms < first_ms or to_ms > last_ms:
        raise _beyond(market, span_text(from_ms, to_ms), stored)
    warm_up_bars = warm_up_ms // interval_ms
    if space is not None:
        from core.lab.run.evaluation import longest_look_back

        longest = longest_look_back(settings, strategy.name, load, space or strategy.search_space)
        warm_up_bars = max(warm_up_bars, longest)
    max_hole_ms = int(settings.lab.max_hole_minutes * MINUTE_MS)
    streams = streams_of(strategy.market_inputs)
    history = candles.history(symbols, interval_ms, from_ms, to_ms, warm_up_bars, max_hole_ms, streams)
    _check_streams(strategy.name, history, streams)
    if not request.allow_holes:
        refuse_holes(holes(history), max_hole_ms)
    rules = rules_of_history(history, settings.lab.market, candles)
    instruments = instruments_of(rules, settings)
    seed = settings.demo.seed if request.seed is None else request.seed
    analysts: Mapping[str, Forecaster] = {}
    if strategy.has_analysts and request.predictions is None:
        span = (history.from_ms, history.to_ms)
        analysts = stored_analysts(strategy, told(strategy.name), history.symbols, *span, span_text(*span))
    return Plan(settings, strategy, rules, instruments, history, seed, overrides, request.note, request.jobs, analysts)


def _check_streams(strategy: str, history: History, streams: Sequence[str]) -> None:
    """Raises BadInputError where nothing is stored of a stream without which a part forecasts nothing."""
    for name, symbol in product(streams, history.symbols):
        if stream(name).is_steady and not len(history.observed(symbol, name).time_ms):
            period = span_text(history.from_ms, history.to_ms)
            raise BadInputError(
                f"{strategy} needs {name} of {symbol}, and none is stored of {period}; import it with: quarterdeck "
                "data import FILE, or take another period or market"
            )


def _no_period(
    request: BacktestRequest, market: Market, from_ms: int, to_ms: int, stored: tuple[int, int, int]
) -> BadInputError:
    """What is wrong with a period that ends before it begins: its ends, or the one end that was told."""
    if request.to_ms is None:
        return _beyond(market, f"from {span_text(from_ms)}", stored)
    if request.from_ms is None:
        return _beyond(market, f"to {span_text(to_ms)}", stored)
    return BadInputError(f"--to must be after --from; {_there(market, stored)}")


def _beyond(market: Market, period: str, stored: tuple[int, int, int]) -> BadInputError:
    more = "import more candles" if market == "imported" else "import candles of that time and take --market imported"
    return BadInputError(
        f"the period {period} goes beyond what is stored: {_there(market, stored)}; choose --from and --to within, or "
        f"{more}"
    )


def _there(market: Market, stored: tuple[int, int, int]) -> str:
    first_ms, _, last_ms = stored
    return f"the {market} candles go from {span_text(first_ms, last_ms)}"


def _check_room(strategy: str, window_ms: int, from_ms: int, stored: tuple[int, int, int]) -> None:
    """Raises BadInputError where the first model has not its whole window of bars before `from_ms`."""
    from core.lab.statistics.figures import duration_text

    first_ms, full_ms, last_ms = stored
    if from_ms >= full_ms + window_ms:
        return
    need = f"{strategy} trains on the {duration_text(window_ms)} before its first trade"
    if full_ms + window_ms >= last_ms:
        raise BadInputError(
            f"{need}, and stored are {span_text(first_ms, last_ms)}; import more with: quarterdeck data import FILE"
        )
    raise BadInputError(f"{need}; choose a --from of {span_text(full_ms + window_ms)} or later")


def _span(
    home: Home, market: Market, candles: MarketStore, symbols: Sequence[str], interval_ms: int
) -> tuple[int, int, int]:
    """From where the first symbol has bars, from where every one has, and to where the last one ends.

    Raises BadInputError that tells what there is where a symbol has none.
    """
    series = candles.series(interval_ms)
    missing = [symbol for symbol in symbols if symbol not in series]
    if missing:
        raise not_there(
            market,
            interval_ms,
            symbols,
            missing,
            candles.all_series(),
            home=str(home.root),
            name_one="with --symbol",
            take_recorded="--market recorded",
        )
    first = [series[symbol].first_ms for symbol in symbols]
    return min(first), max(first), max(series[symbol].last_ms for symbol in symbols)
