"""One parameter set tried: settings with the set laid over them, the strategy they build, and what it comes to.

Everything here is plain data and module-level functions, so that trials run in worker processes (core.compute.pool).
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Generic, TypeVar

import numpy as np

from core.arithmetic.days import DAY_MS
from core.domain.errors import BadInputError, SettingsError
from core.domain.instrument import Instrument
from core.lab.data.history import History
from core.lab.run.fixed_predictions import known_values, rule_values
from core.lab.run.overrides import keys_of, with_overrides
from core.lab.run.result import Floats, Times
from core.lab.search.trials import TUNED_SECTIONS, Trial, parameter_hash
from core.lab.statistics.statistics import NO_DAYS, DailyReturns, day_end_ms, percent, ratios, returns_of_days
from core.lab.sweep import sweep
from core.lab.sweep.prepared import Prepared, prepare
from core.lab.sweep.sweep import Score
from core.settings.schema import CostSettings, Settings
from core.settings.values import Grid, Value
from core.strategy.declaration import Part, Strategy, history_ms

LoadStrategy = Callable[[str, Settings], Strategy]
"""The strategy of a name, built from settings; a module-level function, as it is sent to workers."""

Parameters = Mapping[str, Value]

CACHE_BYTES = 256 << 20
CORNER_KEYS = 10
MOST_CORNERS = 64


@dataclass(frozen=True, slots=True)
class Ground:
    """What all trials of a search stand on.

    The parameters of a trial are laid over `settings`. `instruments` may carry any fees: those of the trial's settings
    are put in. `values` are forecasts by symbol (slots, outputs), NaN for none, in place of the strategy's own; a
    strategy with a model needs them. `warm_up_bars` are kept before a period that is cut out.
    """

    history: History
    settings: Settings
    strategy: str
    load: LoadStrategy
    instruments: Mapping[str, Instrument]
    values: Mapping[str, Floats] | None = None
    warm_up_bars: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A parameter set to try, on the whole history or on the period [from, to) of it in ms."""

    number: int
    parameters: Parameters
    period: tuple[int, int] | None = None


def evaluate_trial(ground: Ground, attempt: Attempt) -> Trial:
    """Try one parameter set. One that is impossible is a failed trial, and its `note` says why."""
    named = parameter_hash(ground.settings.model_dump(mode="json"), ground.strategy, attempt.parameters)
    try:
        history, values = _cut(ground, attempt.period)
        settings = settings_of(ground, attempt.parameters)
        strategy = ground.load(ground.strategy, settings)
        table = known_values(values, history, strategy) if values is not None else _rule_values(strategy, history)
        instruments = with_fees(ground.instruments, settings.costs)
        prepared = _prepared(history, instruments, settings.costs.assumed_funding_bps)
        score = sweep.score(prepared, settings, strategy, table)
    except BadInputError as error:
        return Trial(attempt.number, attempt.parameters, named, "failed", {}, note=str(error).removeprefix("trial: "))
    initial_usdt = float(settings.account.initial_balance_usdt)
    opened = history.open_time_ms[prepared.covered]
    if score.ended_ms is not None:
        opened = opened[opened < day_end_ms(score.ended_ms)]
    daily = _daily_returns(score, initial_usdt, opened, prepared)
    figures = _figures(score, daily, initial_usdt, len(opened) * history.interval_ms)
    first_day_ms = int(daily.day_ms[0]) if len(daily) else None
    return Trial(attempt.number, attempt.parameters, named, "complete", figures, first_day_ms, daily.value)


def settings_of(ground: Ground, parameters: Parameters) -> Settings:
    """Raises SettingsError where the set is impossible."""
    return with_overrides(ground.settings, ground.strategy, tuple(parameters.items()), "trial")


def section_of_key(key: str, strategy: str) -> str:
    """The section that a key stands in; a strategy's own where it names none."""
    return key.rpartition(".")[0] or strategy


def with_fees(instruments: Mapping[str, Instrument], costs: CostSettings) -> dict[str, Instrument]:
    """The instruments with the fees of `costs`, as `core.market.contracts.instruments` reads them."""
    return {
        symbol: replace(instrument, maker_fee_bps=costs.maker_fee_bps, taker_fee_bps=costs.taker_fee_bps)
        for symbol, instrument in instruments.items()
    }


def check_space(ground: Ground, space: Grid) -> None:
    """Raises BadInputError, in one line, where these keys cannot be searched on this ground."""
    if not space:
        raise BadInputError(
            f"strategy {ground.strategy}: nothing to try: it has no search space of its own; name values with --grid"
        )
    strategy = ground.load(ground.strategy, ground.settings)
    sweep.check_strategy(strategy)
    sweep.check_limits(ground.settings.limits)
    if not strategy.is_of_rules and ground.values is None:
        raise BadInputError(
            f"strategy {ground.strategy}: predicts with a model, and a sweep trains none; "
            "name a stored run whose predictions it shall take, with --predictions RUN"
        )
    for key, values in space:
        section, name = section_of_key(key, ground.strategy), key.rpartition(".")[2]
        if not values:
            raise BadInputError(f"{key}: has no values to try")
        keys = keys_of(section)
        if keys is not None and name not in keys:
            with_overrides(ground.settings, ground.strategy, ((key, values[0]),), "--grid")
        if section != ground.strategy and section not in TUNED_SECTIONS:
            raise BadInputError(
                f"{key}: cannot be searched; only keys of {ground.strategy}, {', '.join(TUNED_SECTIONS)} can"
            )
        if ground.values is not None and section == ground.strategy and name not in strategy.decision_keys:
            known = ", ".join(strategy.decision_keys) or "none"
            raise BadInputError(
                f"{key}: would change the model, whose predictions are given here; "
                f"keys of {ground.strategy} that can be searched: {known}"
            )


def check_values(ground: Ground, space: Grid) -> None:
    """Raises SettingsError for a value that no set of the space can have, BadInputError for one with which the sweep
    cannot run the strategy. A set that is impossible because its values do not go together is a failed trial."""
    for key, values in space:
        for value in values:
            _check_value(ground, space, key, value)


def check_market(ground: Ground) -> None:
    """Raises DataError for a market that the sweep cannot take."""
    assumed_bps = ground.settings.costs.assumed_funding_bps
    _prepared(ground.history, with_fees(ground.instruments, ground.settings.costs), assumed_bps)


def _check_value(ground: Ground, space: Grid, key: str, value: Value) -> None:
    others = [(name, _ends(values)) for name, values in space if name != key][:CORNER_KEYS]
    names = [name for name, _ in others]
    corners = itertools.islice(itertools.product(*(ends for _, ends in others)), MOST_CORNERS)
    refused: SettingsError | None = None
    for beside in itertools.chain([{}], (dict(zip(names, corner, strict=True)) for corner in corners)):
        try:
            chosen = settings_of(ground, {**beside, key: value})
            sweep.check_strategy(ground.load(ground.strategy, chosen))
            sweep.check_limits(chosen.limits)
        except SettingsError as error:
            refused = refused or error
        else:
            return
    if refused is not None:
        raise SettingsError(f"--grid {key}={value}: {str(refused).removeprefix('trial: ')}") from refused


def longest_look_back(settings: Settings, strategy: str, load: LoadStrategy, space: Grid) -> int:
    """How many bars before its period a history must have for every trial of `space` to be warm: the longest look-back
    over the corners of the space.

    The look-back is taken to grow or shrink steadily with each key. Sets that are impossible ask for nothing.
    """
    own = [(key, _ends(values)) for key, values in space if section_of_key(key, strategy) == strategy][:CORNER_KEYS]
    keys = [key for key, _ in own]
    interval_ms = settings.market.interval_ms
    longest = _look_back(load(strategy, settings), interval_ms)
    for corner in itertools.product(*(ends for _, ends in own)):
        try:
            chosen = with_overrides(settings, strategy, tuple(zip(keys, corner, strict=True)))
            longest = max(longest, _look_back(load(strategy, chosen), interval_ms))
        except BadInputError:
            continue
    return longest


def _look_back(strategy: Strategy, interval_ms: int) -> int:
    """Of models no training counts: their predictions are given."""
    if strategy.is_of_rules:
        return history_ms(strategy, interval_ms) // interval_ms
    return max(part.lookback_bars for part in strategy.parts)


def _ends(values: Sequence[Value]) -> tuple[Value, ...]:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return tuple(dict.fromkeys((min(numbers), max(numbers))))
    return tuple(values)


def _figures(score: Score, daily: DailyReturns, initial_usdt: float, span_ms: int) -> dict[str, float | None]:
    told = ratios(daily.value, initial_usdt, score.final_usdt, span_ms, score.max_drawdown_pct)
    left_out = {"holed_days": float(daily.left_out)} if daily.left_out else {}
    return {
        "initial_usdt": initial_usdt,
        "final_usdt": score.final_usdt,
        "total_return_pct": percent(score.final_usdt - initial_usdt, initial_usdt),
        "trades": score.trades,
        "net_usdt": score.net_usdt,
        "return_days": told.return_days,
        **left_out,
        "sharpe": told.sharpe,
        "sortino": told.sortino,
        "calmar": told.calmar,
        "sharpe_a_day": told.sharpe_a_day,
        "sortino_a_day": told.sortino_a_day,
        "calmar_a_day": told.calmar_a_day,
        "max_drawdown_pct": score.max_drawdown_pct,
        "limit_ended_at_ms": score.ended_ms,
    }


def _daily_returns(score: Score, initial_usdt: float, opened_ms: Times, prepared: Prepared) -> DailyReturns:
    """As core.lab.statistics.statistics.daily_returns has them, of the bars that opened at `opened_ms`."""
    if not len(opened_ms):
        return DailyReturns(NO_DAYS, np.zeros(0))
    day_ms = (score.daily_ms - 1) // DAY_MS * DAY_MS
    span = (int(opened_ms[0]), int(opened_ms[-1]) + prepared.interval_ms)
    return returns_of_days(day_ms, score.daily_equity_usdt, initial_usdt, *span, prepared.holed_ms)


def _cut(ground: Ground, period: tuple[int, int] | None) -> tuple[History, Mapping[str, Floats] | None]:
    if period is None:
        return ground.history, ground.values
    key = (ground.history.data_hash, ground.history.max_hole_ms, period, ground.warm_up_bars)
    history = _histories.get(key, lambda: ground.history.between(*period, ground.warm_up_bars), _bytes_of_history)
    return history, cut_values(ground.values, ground.history, history)


def cut_values(values: Mapping[str, Floats] | None, whole: History, part: History) -> Mapping[str, Floats] | None:
    """Values of the slots of `whole` as those of the slots of `part`, which was cut from it."""
    if values is None:
        return None
    begin = int(np.searchsorted(whole.open_time_ms, part.open_time_ms[0]))
    return {symbol: column[begin : begin + len(part)] for symbol, column in values.items()}


def _prepared(history: History, instruments: Mapping[str, Instrument], assumed_bps: Decimal) -> Prepared:
    """The market is prepared once; only what a trial may change of its contracts, their fees, is put in."""
    key = (history.data_hash, history.max_hole_ms, assumed_bps if history.missing_funding else Decimal(0))
    made = _markets.get(key, lambda: prepare(history, instruments, assumed_bps), _bytes_of_market)
    return replace(made, instruments=tuple(instruments[symbol] for symbol in history.symbols))


def _rule_values(strategy: Strategy, history: History) -> Floats:
    """Raises BadInputError where there is no rule, or where the rule raises."""
    if not strategy.is_of_rules:
        raise BadInputError(f"strategy {strategy.name}: has no rule, and predictions were not given")
    key = (history.data_hash, history.max_hole_ms, strategy.parts, strategy.decides_on)

    def told() -> Floats:
        try:
            return rule_values(strategy, history)
        except ArithmeticError as error:
            text = f"strategy {strategy.name}: its rule raised {type(error).__name__}: {error}"
            raise BadInputError(text) from error

    return _values.get(key, told, lambda values: values.nbytes)


K = TypeVar("K")
V = TypeVar("V")


class _Cache(Generic[K, V]):
    """What a worker keeps from one trial to the next, the least used going first. It changes no answer."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V], size_of: Callable[[V], int]) -> V:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (made, size_of(made))
                self._bytes += self._kept[key][1]
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return made


_histories: _Cache[tuple[str, int, tuple[int, int], int], History] = _Cache(CACHE_BYTES)
_values: _Cache[tuple[str, int, tuple[Part, ...], tuple[str, ...]], Floats] = _Cache(CACHE_BYTES)


_markets: _Cache[tuple[str, int, Decimal], Prepared] = _Cache(CACHE_BYTES)


def _bytes_of_market(prepared: Prepared) -> int:
    return 5 * prepared.market.mark.nbytes


def _bytes_of_history(history: History) -> int:
    return 6 * history.close.nbytes
