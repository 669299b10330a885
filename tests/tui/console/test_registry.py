"""Keys, titles and what is drawn from a snapshot follow from the registry of panels, however many there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.control.protocol import Snapshot
from tests.tui import screen
from tests.tui.fake_control import chart, snapshot
from tui.console.app import QuarterdeckApp
from tui.console.keys import panel_actions
from tui.console.panels.panel import View
from tui.console.registry import HOME, KEYS, REGISTRY, Entry, Registry, Size

ROOT = Path(__file__).parents[3]
SOURCES = list((ROOT / "tui").rglob("*.py"))
LEAST = Size(44, 5)


class Watched:
    """A snapshot that notes which of its fields are read."""

    def __init__(self, of: Snapshot) -> None:
        self._of = of
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self._of, name)


async def test_every_panel_of_the_registry_is_on_the_screen_and_no_other(app: QuarterdeckApp) -> None:
    async with screen.running(app, (80, 24)):
        drawn = {entry.name for entry in REGISTRY.entries if not entry.main}
        assert {*app.deck.panels} == drawn - {"arming"}  # It is there before a live start only.


async def test_a_panel_reads_of_the_snapshot_what_it_says_it_wants(app: QuarterdeckApp) -> None:
    full = snapshot()
    crowded = replace(full, prices=full.prices * 20)
    empty = Snapshot(seq=1, status=full.status)
    async with screen.running(app, (80, 24)) as pilot:
        app.deck.go("help")  # Without the focus, the fullest tables bring forward what presses.
        await pilot.pause()
        assert app.focused is None or app.focused.id == "help"
        read = {}
        for name, panel in app.deck.panels.items():
            read[name] = set()
            for each in (full, crowded, empty):
                watched = Watched(each)
                panel.content(View(watched, symbol="BTCUSDT", chart=chart), 120, 40)  # type: ignore[arg-type]
                read[name] |= watched.read
    assert read == {name: set(REGISTRY[name].wants) for name in read}
    assert set().union(*read.values()) <= {*Snapshot.__struct_fields__}


def test_more_panels_than_keys_share_them_by_group() -> None:
    groups = ("home", "a", "b", "c", "d", "e", "f", "g", "h", "last")
    many = Registry(
        (
            *(Entry(group, group.title(), group, LEAST) for group in groups),
            Entry("second", "Second", "b", LEAST),
            Entry("third", "Third", "b", LEAST),
            Entry("inner", "Inner", "b", LEAST, within="second"),
        )
    )
    actions = panel_actions(many)
    assert [action.keys for action in actions] == [*"1234567890"]
    assert actions[2].help == "panel b, second, third"
    assert [many.title(name) for name in ("last", "third", "inner")] == ["0 Last", "3 Third", "3 Inner"]
    page, shown = "home", []
    for _ in range(4):
        page = many.next_page("b", page)
        shown.append(page)
    assert shown == ["b", "second", "third", "b"]
    assert many.next_page("b", "inner") == "b"


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([Entry(str(n), "", str(n), LEAST) for n in range(11)], "more groups of panels than keys"),
        ([Entry("a", "", "a", LEAST), Entry("a", "", "b", LEAST)], "two panels have one name"),
        ([Entry("a", "", "a", LEAST, within="b")], r"no such panel: \['b'\]"),
    ],
)
def test_a_registry_that_cannot_be_is_refused(entries: list[Entry], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Registry(tuple(entries))


def test_the_readme_tells_the_keys_of_the_panels() -> None:
    readme = (ROOT / "README.md").read_text()
    first, last, lab = REGISTRY.key(HOME), KEYS[len(REGISTRY.groups) - 1], REGISTRY.key("lab")
    assert f"`{first}` to `{last}` show a panel (`{lab}` is the lab)" in readme


def test_no_text_has_the_key_of_a_panel_typed_into_it() -> None:
    typed = re.compile(r"^[0-9] [A-Z]|\b[0-9] (= [a-z]|lists)|\bpanel [0-9]")
    found = [
        (path.name, node.value)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and typed.search(node.value)
    ]
    assert found == []
