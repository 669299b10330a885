"""The operator's page names every stream that files can hold, by the name that is typed."""

from __future__ import annotations

import re
from pathlib import Path

from core.market.streams import FAMILIES, PERIODS, stream

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def test_every_family_stands_on_the_page_and_every_name_there_is_one() -> None:
    section = PAGE.partition("**Streams**")[2].partition("A file has at most")[0]
    table = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    names = [name for cell in table for name in re.findall(r"`([a-z0-9_.]+)`", cell) if name not in ("global", "top")]
    assert {stream(name).name.partition(".")[0] for name in names} >= set(FAMILIES) - {"premium", "spot"}
    assert all(name.partition(".")[0] in PERIODS for name in names if "." in name)
