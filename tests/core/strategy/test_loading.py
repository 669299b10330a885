from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import tomli

from core.domain.errors import BadInputError, SettingsError
from core.settings import strategies as registry
from core.settings.schema import Settings, parse_settings
from core.settings.strategies import BUILT_IN, GROUP, strategy_names
from core.strategy.loading import load_strategy
from tests.strategies.packages import distribution

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
GOOD = """
from dataclasses import replace
from strategies.ema_cross.declaration import build as build_ema_cross
def build(settings):
    return replace(build_ema_cross(settings), **{"name": "mine", **settings.tables.get("mine", {})})
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_those_of_this_house_are_found_without_any_metadata(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda **_: ())
    assert load_strategy(name, Settings()).name == name


def test_the_project_registers_what_the_registry_knows() -> None:
    project = tomli.loads(PYPROJECT.read_text())["project"]
    assert project["entry-points"][GROUP] == BUILT_IN


def test_one_from_elsewhere_is_found_and_gets_its_options(installed: Path) -> None:
    distribution(installed, "mine", "mine = mine_good:build", {"mine_good": GOOD})
    strategy = load_strategy("mine", Settings.model_validate({"strategy": "mine", "mine": {"stop_pct": 2.5}}))
    assert (strategy.name, strategy.stop_pct) == ("mine", 2.5)
    assert strategy_names() == ["ema_cross", "mine", "scalper"]


def test_an_unknown_name_lists_the_known(installed: Path) -> None:
    distribution(installed, "mine", "mine = mine_unused:build")
    with pytest.raises(BadInputError, match=r"^no strategy is named emacross; known are ema_cross, mine, scalper$"):
        load_strategy("emacross", Settings())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import nowhere_to_be_found",
            "cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("def construct(settings): ...", "cannot be imported: AttributeError: "),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("def build(settings): return settings.nothing", "cannot build it: AttributeError: "),
        ("def build(settings): raise ValueError('two\\nlines')", "cannot build it: ValueError: two lines"),
        ("def build(settings): return 'mine'", "gave str, not a core.strategy.declaration.Strategy"),
        (GOOD.replace('"mine", **', '"other", **'), "calls it other; both names must be the same"),
        (GOOD.replace('"mine", **', '"mine", "stop_pct": 7, **'), "its stop_pct of 7 must lie between limits.min_stop"),
        (
            GOOD.replace('"mine", **', '"mine", "ladder": ((2.0, 0.5), (1.0, 0.5)), **'),
            "its ladder is wrong: a target at 1 % stands behind one at 2 %; the nearest stands first",
        ),
        (
            GOOD.replace('"mine", **', '"mine", "ladder": ((1.0, 0.8), (2.0, 0.8)), **'),
            "its ladder is wrong: the targets close 1.6 together; at most 1 is there",
        ),
    ],
)
def test_one_that_cannot_be_used_says_so_in_one_line(
    installed: Path, request: pytest.FixtureRequest, text: str, said: str
) -> None:
    module = f"mine_bad_{abs(hash(request.node.name))}"
    distribution(installed, "mine", f"mine = {module}:build", {module: text})
    with pytest.raises(BadInputError) as caught:
        load_strategy("mine", Settings())
    is_built = said.startswith(("its stop_pct", "its ladder"))
    assert str(caught.value).startswith("strategy mine: " if is_built else f"strategy mine: {module}:build ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_errors_of_a_strategy_come_through_as_they_are(installed: Path) -> None:
    text = "from core.domain.errors import SettingsError\ndef build(settings): raise SettingsError('mend this')"
    distribution(installed, "mine", "mine = mine_choosy:build", {"mine_choosy": text})
    with pytest.raises(SettingsError, match=r"^mend this$"):
        load_strategy("mine", Settings())


def test_a_name_that_two_distributions_claim_is_refused(installed: Path) -> None:
    distribution(installed, "mine", "scalper = mine_scalper:build")
    with pytest.raises(BadInputError, match="strategy scalper: registered more than once, as mine_scalper:build and"):
        load_strategy("scalper", Settings())


def test_the_same_entry_told_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [EntryPoint("scalper", BUILT_IN["scalper"], GROUP)] * 2
    monkeypatch.setattr(registry, "entry_points", lambda **_: twice)
    assert load_strategy("scalper", Settings()).name == "scalper"


@pytest.mark.parametrize(
    ("minutes", "keys", "said"),
    [
        (
            15,
            {},
            "it looks ahead over 10 min, which is no whole number of bars of 15 min; change it",
        ),
        (5, {"retrain_minutes": 12}, "it is trained anew every 12 min, which is no whole number of bars of 5 min"),
        (1440, {"horizon_minutes": 240}, "it looks ahead over 240 min, which is no whole number of bars of 1440 min"),
        (60, {"horizon_minutes": 60, "retrain_minutes": 60}, "it trains on 48 bars of 60 min, and one forecast looks"),
        (15, {"horizon_minutes": 15, "window_hours": 192}, None),
    ],
)
def test_times_are_whole_numbers_of_the_bars(minutes: int, keys: dict[str, int], said: str | None) -> None:
    settings = parse_settings({"market": {"interval_minutes": minutes}, "scalper": keys}, "the test")
    if said is None:
        assert load_strategy("scalper", settings).part.horizon_ms == 900_000
        return
    with pytest.raises(BadInputError) as error:
        load_strategy("scalper", settings)
    assert said in str(error.value)


DECLARED = """
from dataclasses import replace
from core.domain.forecast import Output
from core.strategy.declaration import Analyst, Part
from strategies.ema_cross.declaration import build as build_ema_cross
def seeing(name, *others):
    return Part((Output("up", "score"),), 1, name=name, inputs=others)
def build(settings):
    plain = build_ema_cross(settings)
    return replace(plain, name="mine", {change})
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("parts=()", "its parts are called nothing; name each by letters, digits, _ and -, no two alike"),
        ("parts=plain.parts * 2", "its parts are called main, main; name each by letters"),
        (
            'parts=(seeing("a", "b"), seeing("b", "c"), seeing("c", "a"))',
            "its parts see each other in a circle: a of b of c of a; take one",
        ),
        ('parts=(seeing("a", "a"),)', "its parts see each other in a circle: a of a; take one of these inputs out"),
        (
            'parts=(seeing("a", "b"), seeing("b"))',
            "part a sees b, which is declared behind it; declare b before a",
        ),
        (
            "parts=(replace(plain.part, latency_ms=20_000),)",
            "what it says is known 20 s after a close, and nothing older than 15 s is decided on; give it",
        ),
        (
            "parts=(replace(plain.part, latency_ms=60_000, max_age_ms=90_000),)",
            "what it says is known 60 s after a close, when the next bar has closed; give it a shorter latency_ms",
        ),
        (
            'parts=(replace(plain.part, scope="market", source=Analyst(list)),)',
            "part main speaks of the whole market, which only a rule can; make it one, or take out its scope",
        ),
        (
            "parts=(replace(plain.part, source=Analyst(list, 20_000)),)",
            "it waits 20 s for an analyst, and nothing older than 15 s is decided on; make timeout_ms no longer",
        ),
        (
            "parts=(replace(plain.part, source=Analyst(list), max_age_ms=60_000),)",
            "it waits 10 s for an analyst, and nothing older than 60 s is decided on; make timeout_ms no longer",
        ),
        ("parts=(replace(plain.part, latency_ms=-1),)", "it has a latency of -1 ms; nothing is known beforehand"),
        ('parts=(seeing("a"),), decides_on=("b",)', "it decides on b, which is no part of it; its parts are a"),
        ('parts=(seeing("a"),), decides_on=("a", "a")', "it decides on a twice; name it once"),
        (
            'parts=(seeing("a"), seeing("b")), decides_on=("a", "b")',
            "two of the parts that it decides on call an output up; name one otherwise",
        ),
        ("parts=(Part((), 1),)", "its outputs are called nothing; name each by letters"),
        ('parts=(Part((Output("p up", "score"),), 1),)', "its outputs are called p up; name each by letters"),
        ('parts=(Part((Output("a", "bps"), Output("a", "pct")), 1),)', "its outputs are called a, a; name each"),
        (
            'parts=(Part((Output("a", "percent"),), 1),)',
            "its output a is in 'percent'; units are bps, probability, pct",
        ),
        (
            "decide=lambda values, cost_bps, parameters: 1 / 0",
            "its decide fails where nothing is said: ZeroDivisionError",
        ),
        ("decide=lambda values, cost_bps: (0, 0.5)", "its decide fails where nothing is said: TypeError"),
        ("decide=lambda *given: (0.5, 0.5)", "its decide gives 0.5 as a direction; give +1, -1 or 0"),
    ],
)
def test_what_is_declared_wrongly_is_told_in_one_line(
    installed: Path, change: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mine_odd", raising=False)
    distribution(installed, "mine", "mine = mine_odd:build", {"mine_odd": DECLARED.format(change=change)})
    with pytest.raises(BadInputError) as told:
        load_strategy("mine", Settings())
    assert str(told.value).startswith(f"strategy mine: {said}")
    assert "\n" not in str(told.value)
