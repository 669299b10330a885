"""The operator's page says of every limit what it does and what clears it, by the name that the verbs show."""

from __future__ import annotations

import re
from pathlib import Path

from core.trader.limits import RULES

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def test_every_limit_stands_on_the_page_and_every_name_there_is_one() -> None:
    table = PAGE.partition("| limit | what it does |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    assert sorted(name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)) == sorted(RULES)
