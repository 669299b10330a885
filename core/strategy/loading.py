"""Strategies by name: those of this house, and those that other distributions register as entry points."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from core.domain.errors import BadInputError, QuarterdeckError
from core.domain.market import MINUTE_MS
from core.position.ladder import ladder_problem
from core.settings.schema import Settings
from core.settings.strategies import strategy_entry
from core.strategy.decision import Decider
from core.strategy.declaration import Part, Strategy, known_after_ms
from core.strategy.part_order import NAME, parts_problem

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
    modules += [part.model.factory for part in (strategy.models if strategy is not None else ()) if part.model]
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
    if not NAME.fullmatch(name):
        raise BadInputError(
            f"strategy {name}: its name stands in ids and names of folders; call it by letters, digits, _ and - alone"
        )
    if problem := parts_problem(strategy):
        raise BadInputError(f"strategy {name}: {problem}")
    _check_decide(name, strategy)
    caps = settings.limits
    if not caps.min_stop_distance_pct <= strategy.stop_pct <= caps.max_stop_distance_pct:
        raise BadInputError(
            f"strategy {name}: its stop_pct of {strategy.stop_pct} must lie between limits.min_stop_distance_pct "
            f"({caps.min_stop_distance_pct}) and max_stop_distance_pct ({caps.max_stop_distance_pct})"
        )
    if problem := ladder_problem(strategy.ladder):
        raise BadInputError(f"strategy {name}: its ladder is wrong: {problem}")
    for part in strategy.parts:
        what = "it" if len(strategy.parts) == 1 else f"part {part.name}"
        _check_times(name, what, part, settings.market.interval_ms)
        _check_latency(name, what, part, known_after_ms(strategy, part), settings.market.interval_ms)
    return strategy


def _check_times(name: str, it: str, part: Part, interval_ms: int) -> None:
    """Raises BadInputError for a time of a part that is no number of a run's bars."""
    lifecycle = part.lifecycle
    times = {"looks ahead over": part.horizon_ms}
    if lifecycle is not None:
        times |= {"trains on": lifecycle.window_ms, "is trained anew every": lifecycle.retrain_ms}
    bars = f"bars of {interval_ms // MINUTE_MS} min"
    mend = f"change it in [{name}], or market.interval_minutes"
    for what, time_ms in times.items():
        if time_ms % interval_ms:
            raise BadInputError(
                f"strategy {name}: {it} {what} {time_ms / MINUTE_MS:g} min, which is no whole number of {bars}; {mend}"
            )
    if lifecycle is not None and lifecycle.window_ms // interval_ms <= part.lookback_bars:
        raise BadInputError(
            f"strategy {name}: {it} trains on {lifecycle.window_ms // interval_ms} {bars}, and one forecast looks back "
            f"on {part.lookback_bars}; {mend}"
        )


def _check_latency(name: str, it: str, part: Part, known_ms: int, interval_ms: int) -> None:
    """Raises BadInputError where what a part says is too old once it is known."""
    if part.latency_ms < 0:
        raise BadInputError(f"strategy {name}: {it} has a latency of {part.latency_ms} ms; nothing is known beforehand")
    told = f"what {it} says is known {known_ms / 1_000:g} s after a close"
    if known_ms > part.max_age_ms:
        raise BadInputError(
            f"strategy {name}: {told}, and nothing older than {part.max_age_ms / 1_000:g} s is decided on; give "
            "it a shorter latency_ms or a longer max_age_ms"
        )
    if part.analyst is not None and not 0 < part.analyst.timeout_ms <= part.max_age_ms < interval_ms:
        waits, oldest = part.analyst.timeout_ms / 1_000, part.max_age_ms / 1_000
        raise BadInputError(
            f"strategy {name}: {it} waits {waits:g} s for an analyst, and nothing older than {oldest:g} s is decided "
            "on; make timeout_ms no longer than max_age_ms, and that shorter than a bar"
        )
    if known_ms >= interval_ms:
        raise BadInputError(
            f"strategy {name}: {told}, when the next bar has closed; give it a shorter latency_ms, or run it on longer "
            "bars"
        )


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
