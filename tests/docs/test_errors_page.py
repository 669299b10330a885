"""docs/errors.md names every error there is, and nothing else; the code keeps to what it says of wide excepts."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from core.domain import errors
from core.domain.errors import QuarterdeckError, RejectKind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text()
WAYS = ("propagate", "unavailable", "defer", "fail closed", "degraded", "fatal")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, its own head left out."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def classes() -> dict[str, type[QuarterdeckError]]:
    found = inspect.getmembers(errors, lambda thing: inspect.isclass(thing) and issubclass(thing, QuarterdeckError))
    return dict(found)


def test_every_class_is_on_the_page_and_every_class_on_the_page_is_there() -> None:
    named = [row[0].strip("`") for row in rows("The classes")]
    assert len(named) == len(set(named))
    assert sorted(named) == sorted(classes())


def test_every_class_goes_one_of_the_six_ways() -> None:
    assert tuple(row[0] for row in rows("The six ways")) == WAYS
    assert {row[1] for row in rows("The classes")} <= set(WAYS)


def test_the_exit_codes_are_those_of_the_classes() -> None:
    told = {row[0].strip("`"): row[-1] for row in rows("The classes")}
    assert told.pop("TaskError") == "that of the task"
    assert {name: str(classes()[name].exit_code) for name in told} == told


def test_every_kind_of_refusal_is_explained() -> None:
    assert [row[0].strip("`") for row in rows("What a refusal means")] == [kind.name for kind in RejectKind]


def test_every_cell_says_something() -> None:
    for heading in ("The six ways", "The classes", "What a refusal means"):
        for row in rows(heading):
            assert all(row), row


def test_the_places_it_names_exist() -> None:
    for path in re.findall(r"`((?:core|tui|storage)/[\w/.]+)`", PAGE):
        assert (ROOT / path).exists(), path


TRADING = (
    "core/trader",
    "core/venues",
    "core/engine/engine.py",
    "core/engine/session.py",
    "core/engine/stepper.py",
    "core/engine/recovery.py",
)
AT_THE_EXCHANGE = ("core/exchange", "core/market")


def test_no_wide_except_stands_in_the_engine() -> None:
    assert wide_excepts(TRADING) == []


def test_a_wide_except_around_the_exchange_s_client_says_why() -> None:
    unexplained = [
        place for place, line in wide_excepts(AT_THE_EXCHANGE) if not re.search(r"# noqa: BLE001 - \w+ \w+ \w+", line)
    ]
    assert unexplained == []


def wide_excepts(places: tuple[str, ...]) -> list[tuple[str, str]]:
    """Place and line of each; one that raises again is none: it only puts the house in order."""
    return [
        (f"{path.relative_to(ROOT)}:{handler.lineno}", path.read_text().splitlines()[handler.lineno - 1])
        for path in (file for place in places for file in _python(ROOT / place))
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler) and _is_wide(handler) and not _raises(handler)
    ]


def test_nowhere_is_an_error_swallowed_whole() -> None:
    files = [path for folder in ("core", "storage", "strategies", "tui") for path in (ROOT / folder).rglob("*.py")]
    silent = [
        f"{path.relative_to(ROOT)}:{handler.lineno}"
        for path in files
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler)
        and _is_wide(handler)
        and all(isinstance(statement, ast.Pass | ast.Continue) for statement in handler.body)
    ]
    assert silent == []


def _python(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def _is_wide(handler: ast.ExceptHandler) -> bool:
    named = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else set()
    return handler.type is None or bool(named & {"Exception", "BaseException"})


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))
