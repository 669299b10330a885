"""Strategies by name: those of this house, and those that other distributions register as entry points."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from core.domain.errors import BadInputError, QuarterdeckError
from core.domain.forecast import UNITS, Output
from core.domain.market import MINUTE_MS
from core.settings.schema import Settings
from core.settings.strategies import strategy_entry
from core.strategy.decision import Decider
from core.strategy.declaration import Strategy

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

OWN_PACKAGES = ("core", "strategies")


def load_strategy(name: str, settings: Settings) -> Strategy:
    """The strategy `name`, built from `settings`.

    Raises BadInputError, in one line, for a name that is not known or registered twice, and for a strategy that cannot
    be imported or built; SettingsError of the strategy's own keys passes through.
    """
    found = strategy_entry(name)
    try:
        build = found.load()
    except Exception as error:
        raise BadInputError(f"strategy {name}: {found.value} cannot be imported: {_in_a_line(error)}") from error
    try:
        built = build(settings)
    except QuarterdeckError:
        raise
    except Exception as error:
        raise BadInputError(f"strategy {name}: {found.value} cannot build it: {_in_a_line(error)}") from error
    return _checked(name, found.value, built, settings)


def outside_code(name: str, strategy: Strategy | None = None) -> list[Path]:
    """The Python files of the packages that the strategy `name` and its model come from, sorted; none of this house's.

    Raises BadInputError for a name that is not known or registered twice.
    """
    modules = [strategy_entry(name).module]
    if strategy is not None and strategy.part.model is not None:
        modules.append(strategy.part.model.factory)
    files: set[Path] = set()
    for top in {module.partition(".")[0] for module in modules} - set(OWN_PACKAGES):
        spec = find_spec(top)
        if spec is None:
            continue
        if spec.submodule_search_locations is None:
            files.add(Path(spec.origin or ""))
        for folder in spec.submodule_search_locations or ():
            files.update(Path(folder).rglob("*.py"))
    return sorted(files)


def _checked(name: str, value: str, strategy: object, settings: Settings) -> Strategy:
    if not isinstance(strategy, Strategy):
        raise BadInputError(
            f"strategy {name}: {value} gave {type(strategy).__name__}, not a core.strategy.declaration.Strategy"
        )
    if strategy.name != name:
        raise BadInputError(f"strategy {name}: {value} calls it {strategy.name}; both names must be the same")
    if not _NAME.fullmatch(name):
        raise BadInputError(
            f"strategy {name}: its name stands in ids and names of folders; call it by letters, digits, _ and - alone"
        )
    if problem := _outputs_problem(strategy):
        raise BadInputError(f"strategy {name}: {problem}")
    _check_decide(name, strategy)
    caps = settings.limits
    if not caps.min_stop_distance_pct <= strategy.stop_pct <= caps.max_stop_distance_pct:
        raise BadInputError(
            f"strategy {name}: its stop_pct of {strategy.stop_pct} must lie between limits.min_stop_distance_pct "
            f"({caps.min_stop_distance_pct}) and max_stop_distance_pct ({caps.max_stop_distance_pct})"
        )
    _check_times(name, strategy, settings.market.interval_ms)
    return strategy


def _check_times(name: str, strategy: Strategy, interval_ms: int) -> None:
    """Raises BadInputError for a time of the strategy's that is no number of a run's bars."""
    lifecycle = strategy.part.lifecycle
    times = {"looks ahead over": strategy.part.horizon_ms}
    if lifecycle is not None:
        times |= {"trains on": lifecycle.window_ms, "is trained anew every": lifecycle.retrain_ms}
    bars = f"bars of {interval_ms // MINUTE_MS} min"
    mend = f"change it in [{name}], or market.interval_minutes"
    for what, time_ms in times.items():
        if time_ms % interval_ms:
            raise BadInputError(
                f"strategy {name}: it {what} {time_ms / MINUTE_MS:g} min, which is no whole number of {bars}; {mend}"
            )
    if lifecycle is not None and lifecycle.window_ms // interval_ms <= strategy.part.lookback_bars:
        raise BadInputError(
            f"strategy {name}: it trains on {lifecycle.window_ms // interval_ms} {bars}, and one forecast looks back "
            f"on {strategy.part.lookback_bars}; {mend}"
        )


def _outputs_problem(strategy: Strategy) -> str:
    """What is wrong with the parts and their outputs, in words; empty where nothing is."""
    if len(strategy.parts) != 1:
        return f"has {len(strategy.parts)} parts; a strategy has one"
    outputs = strategy.outputs
    names = [output.name for output in outputs]
    if not names or len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        called = ", ".join(names) or "nothing"
        return f"its outputs are called {called}; name each by letters, digits, _ and -, no two alike"
    strange = [output for output in outputs if output.unit not in UNITS]
    if strange:
        return f"its output {strange[0].name} is in {strange[0].unit!r}; units are {', '.join(UNITS)}"
    if strategy.volatility and Output(strategy.volatility, "pct") not in outputs:
        return f"its volatility is {strategy.volatility!r}, which is no output of it in pct"
    return ""


def _check_decide(name: str, strategy: Strategy) -> None:
    decider = Decider(strategy, 0.0)
    try:
        direction, _ = decider.direction(decider.silence)
    except Exception as error:
        raise BadInputError(f"strategy {name}: its decide fails where nothing is said: {_in_a_line(error)}") from error
    if direction not in (-1, 0, 1):
        raise BadInputError(f"strategy {name}: its decide gives {direction!r} as a direction; give +1, -1 or 0")


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
