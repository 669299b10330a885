"""docs/python.md, run from top to bottom as a notebook would, and its figures against the command's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.pages import run, text_of

CELLS = re.findall(r"^```python\n(.*?)^```$", text_of("python.md"), re.MULTILINE | re.DOTALL)
MAIN = "from quarterdeck import main; main()"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which the page's cells ran, and what they printed."""
    where = tmp_path_factory.mktemp("notebook")
    # A notebook's cells run while an event loop does.
    code = "import asyncio\nasync def notebook():\n" + "".join(
        f"    {line}\n" if line else "\n" for cell in CELLS for line in cell.splitlines()
    )
    code += "    import json\n    print('TOLD', json.dumps([run.id, run.figures, run.verdict, len(trades)]))\n"
    (where / "cells.py").write_text(code + "asyncio.run(notebook())\n")
    found = run(where, "cells.py")
    assert found.returncode == 0, found.stdout + found.stderr
    return where, found.stdout


def test_the_page_has_cells() -> None:
    assert len(CELLS) == 4


def test_its_figures_are_the_commands(ran: tuple[Path, str]) -> None:
    where, printed = ran
    run_id, figures, verdict, trades = json.loads(printed.rpartition("TOLD ")[2])
    options = ["--market", "recorded", "--symbol", "SOLUSDT", "--from", "2025-06-05", "--to", "2025-06-07"]
    options += ["--set", "fast_bars=20", "--set", "slow_bars=80", "--set", "costs.taker_fee_bps=4.0"]
    found = run(where, "-c", MAIN, "backtest", "ema_cross", *options, "--home", "other", "--json")
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert (told["figures"], told["verdict"], told["trades"]) == (figures, verdict, trades)
    kept = run(where, "-c", MAIN, "runs", "show", run_id, "--home", "research", "--json")
    assert json.loads(kept.stdout)["figures"] == figures


def test_what_it_prints_is_what_it_says(ran: tuple[Path, str]) -> None:
    _, printed = ran
    assert "2025-06-06 23:45:00+00:00" in printed
    assert "r0001 ema_cross SOLUSDT: " in printed
    assert "exit_reason" in printed
    assert "equity_usdt" in printed
