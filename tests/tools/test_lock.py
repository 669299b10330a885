"""The locks agree with pyproject.toml and with each other, and every file that pip may take is known by its hash."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import lock
from tools.lock import Pin, canonical, read, together, wanted, written

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOR_RUN, FOR_TESTS = wanted(PYPROJECT)
PRODUCT = ("core", "storage", "strategies", "tui")
_LINE = re.compile(
    r"#.*|--requirement requirements\.txt|[a-z0-9-]+==[0-9][0-9a-z.]*( \\)?|    --hash=sha256:[0-9a-f]{64}( \\)?"
)


def needed(requirements: Iterable[str]) -> set[str]:
    """Every package that `requirements` lead to on this machine, by what is installed."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    left = [Requirement(text) for text in requirements]
    while left:
        requirement = left.pop()
        name = canonical(requirement.name)
        found.add(name)
        for extra in {"", *requirement.extras} - {e for n, e in seen if n == name}:
            seen.add((name, extra))
            parts = [Requirement(text) for text in metadata.requires(name) or ()]
            left += [part for part in parts if part.marker is None or part.marker.evaluate({"extra": extra})]
    return found


@pytest.mark.parametrize("path", [lock.RUN, lock.TEST], ids=lambda path: path.name)
def test_every_line_is_a_pin_with_its_hashes_and_nothing_else(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if not _LINE.fullmatch(line)] == []
    pins = read(path)
    assert len(pins) == path.read_text().count("==")
    assert [name for name, pin in pins.items() if not pin.hashes] == []


@pytest.mark.parametrize("path", [lock.RUN, lock.TEST], ids=lambda path: path.name)
def test_a_lock_is_what_the_tool_writes(path: Path) -> None:
    assert written(path, read(path)) == path.read_text()


def test_the_two_locks_are_apart() -> None:
    assert read(lock.RUN).keys() & read(lock.TEST).keys() == set()


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    run, tests = read(lock.RUN), read(lock.TEST)
    for text, pins in [*((text, run) for text in FOR_RUN), *((text, {**run, **tests}) for text in FOR_TESTS)]:
        requirement = Requirement(text)
        assert pins[canonical(requirement.name)].version in requirement.specifier, text


def test_each_lock_holds_what_is_needed_and_no_more() -> None:
    run = needed(FOR_RUN)
    assert set(read(lock.RUN)) == run
    assert set(read(lock.TEST)) == needed(FOR_TESTS) - run


def imported() -> Iterator[str]:
    for path in [*ROOT.glob("quarterdeck*.py"), *(file for room in PRODUCT for file in (ROOT / room).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def test_the_product_imports_only_what_it_declares() -> None:
    """What another package happens to bring along may be gone with its next version."""
    homes = metadata.packages_distributions()
    ours = {*PRODUCT, *(path.stem for path in ROOT.glob("quarterdeck*.py"))}
    others = set(imported()) - ours - sys.stdlib_module_names
    requirements = [Requirement(text) for text in FOR_RUN]
    declared = {canonical(name) for requirement in requirements for name in (requirement.name, *requirement.extras)}
    assert "textual" in others
    assert {name for name in others if not declared & {canonical(home) for home in homes[name]}} == set()


def test_a_version_that_stays_keeps_the_hashes_of_other_machines() -> None:
    now = {"a": Pin("1", frozenset("x")), "b": Pin("2", frozenset("y"))}
    before = {"a": Pin("1", frozenset("z")), "b": Pin("1", frozenset("z")), "c": Pin("1", frozenset("z"))}
    assert together(now, before) == {"a": Pin("1", frozenset("xz")), "b": Pin("2", frozenset("y"))}


def test_a_lock_that_is_not_there_has_no_pins(tmp_path: Path) -> None:
    assert read(tmp_path / "requirements.txt") == {}
