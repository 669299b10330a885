"""The rooms of the house: few enough to know, and no module that leads back to itself."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
HOUSES = ("core", "strategies", "storage", "tui")
MOST_IN_CORE = 25
MOST_LINES_AT_THE_ROOT = 200
_LIFECYCLE = (
    "abstain",
    "calibration",
    "conformal",
    "gates",
    "page_hinkley",
    "promotion",
    "reliability",
    "roles",
    "sizing",
    "triggers",
)
WAITS_FOR_ITS_USE = {"core.lab.data.seeing", *(f"core.learning.lifecycle.{name}" for name in _LIFECYCLE)}
"""The join of streams, which no part of a strategy declares as an input yet; and what decides of models, which no
engine asks yet."""


def test_no_module_leads_back_to_itself() -> None:
    graph = grimp.build_graph(*HOUSES)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(list(TopologicalSorter(imports).static_order())) == len(graph.modules) > 300


def test_what_stands_in_the_house_is_used_in_it() -> None:
    """Found by name are strategies and the families of columns; the rest of what no other module imports is shown to
    whoever writes a strategy."""
    graph = grimp.build_graph(*HOUSES)
    used = {name for module in graph.modules for name in graph.find_modules_directly_imported_by(module)}
    for node in ast.walk(ast.parse((ROOT / "quarterdeck.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            used |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    page = (ROOT / "docs" / "strategies.md").read_text()
    idle = {module for module in graph.modules - used if not graph.find_children(module)}
    by_name = {module for module in idle if module.startswith(("strategies.", "core.features."))}
    assert {module for module in idle - by_name if f"from {module} import" not in page} <= WAITS_FOR_ITS_USE


def test_a_newcomer_can_read_the_folder_of_core() -> None:
    assert len([path for path in (ROOT / "core").iterdir() if not path.name.startswith("__")]) <= MOST_IN_CORE


def test_one_short_module_stands_at_the_root() -> None:
    (root,) = ROOT.glob("*.py")
    assert root.name == "quarterdeck.py"
    assert len(root.read_text().splitlines()) < MOST_LINES_AT_THE_ROOT


def test_every_room_says_where_a_change_goes_and_what_holds_it() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.partition("## Where a change goes")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_/]+(?:\.[a-z]+)?)`", table))
    missing = {name for name in named - {"docs/errors.md"} if not (ROOT / name).exists()} - {"make", "strategies/NAME"}
    assert not missing
    rooms = {path.parent.relative_to(ROOT).as_posix() for house in HOUSES for path in (ROOT / house).rglob("*.py")}
    assert rooms - {"core", "tui"} <= named


def test_what_a_change_adds_to_stands_in_the_file_that_the_table_names() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where a change goes")[2].partition("\n## ")[0]
    told = re.findall(r"`(\w+)` in `([\w/]+\.py)`", table)
    assert len(told) > 5
    assert [(name, file) for name, file in told if not re.search(rf"\b{name}\b", (ROOT / file).read_text())] == []
