"""docs/architecture.md names every room of the house, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREE = (ROOT / "docs" / "architecture.md").read_text().partition("\n## ")[0]


def rooms() -> set[str]:
    """Every folder of code, the mirror of the tests left out but for its own rooms."""
    houses = [path for path in ROOT.iterdir() if (path / "__init__.py").exists()]
    found = {path.parent.relative_to(ROOT).as_posix() for house in houses for path in house.rglob("__init__.py")}
    return found - {f"tests/{room}" for room in found}


def named() -> set[str]:
    """The folders that the tree names, by their indentation."""
    found: set[str] = set()
    above: list[tuple[int, str]] = []
    for line in TREE.splitlines():
        if room := re.match(r"( {4,})([a-z_]+)/ ", f"{line} "):
            depth = len(room[1])
            while above and above[-1][0] >= depth:
                above.pop()
            above.append((depth, room[2]))
            found.add("/".join(name for _, name in above))
    return found


def test_every_room_is_explained() -> None:
    assert rooms() - named() == set()


def test_every_room_that_is_named_is_there() -> None:
    assert {room for room in named() if not (ROOT / room).is_dir()} == set()
