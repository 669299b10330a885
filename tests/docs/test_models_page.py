"""The model that docs/models.md builds: installed as an installer would, tested, and traded in every mode."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.pages import files_of, installed, run

PAGE = "models.md"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("tri-model"), "tri_model", PAGE)


def test_the_page_shows_every_file_of_its_example() -> None:
    assert set(files_of(PAGE)) == {
        "pyproject.toml",
        "tri_model/declaration.py",
        "tri_model/model.py",
        "test_tri_model.py",
    }


def test_its_tests_pass(written: Path) -> None:
    found = run(written, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_tri_model.py")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "4 passed" in found.stdout


def test_it_trades_the_same_in_demo_backtest_and_sweep_and_speaks_of_probabilities(
    written: Path, tmp_path: Path
) -> None:
    found = run(written, "-m", "tests.docs.three_outputs", str(tmp_path / "home"))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["verified"]
    assert told["trades"] > 5
    assert told["sums"] == pytest.approx([1.0, 1.0])
    assert told["names"] == ["p_down", "p_flat", "p_up"]
    assert told["units"] == ["probability"] * 3
    for text, sure in zip(told["words"], told["confidence"], strict=True):
        assert re.fullmatch(r"p_(up|down) 0\.\d+, needed 0\.45\d*; p_flat 0\.\d\d", text)
        assert f"{sure:.2f}" in text
    own, swept = told["swept_confidence"]
    assert own == swept
    assert set(own) <= set(told["confidence"])
