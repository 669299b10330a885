from __future__ import annotations

import json
from pathlib import Path

from tests.tui.cli.fakes import Quarterdeck

DAY_MS = 1_672_531_200_000  # 2023-01-01


def test_each_verb_passes_on_what_was_typed(quarterdeck: Quarterdeck, tmp_path: Path) -> None:
    file = tmp_path / "SOLUSDT.toml"
    file.write_text("x")
    for words, row in (
        (["list"], {"symbol": "BTCUSDT", "as_of": "2022-05-04", "tick_size": "0.1"}),
        (["import", str(file)], {"symbol": "SOLUSDT", "as_of_ms": None, "source": None}),
        (
            ["import", str(file), "--as-of", "2023-01-01", "--source", "the venue"],
            {"symbol": "SOLUSDT", "as_of_ms": DAY_MS, "source": "the venue"},
        ),
        (["infer", "ABCUSDT"], {"symbol": "ABCUSDT", "kind": "inferred"}),
        (["delete", "ABCUSDT"], {"symbol": "ABCUSDT", "deleted": 2}),
        (["delete", "ABCUSDT", "--as-of", "2023-01-01"], {"symbol": "ABCUSDT", "deleted": 1}),
    ):
        result = quarterdeck("data", "rules", *words, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout) == [row]


def test_a_table_has_a_head_and_exact_sizes(quarterdeck: Quarterdeck) -> None:
    head, line = quarterdeck("data", "rules", "list").stdout.splitlines()
    assert head.split() == ["symbol", "as", "of", "tick", "size"]
    assert line.split() == ["BTCUSDT", "2022-05-04", "0.1"]
