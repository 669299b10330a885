"""The strategy of two parts that docs/parts.md builds: installed as an installer would, tested, the same in demo and
lab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.docs.pages import files_of, installed, run

PAGE = "parts.md"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("tides"), "tides", PAGE)


def test_the_page_shows_every_file_of_its_example() -> None:
    assert set(files_of(PAGE)) == {"pyproject.toml", "tides/declaration.py", "tides/model.py", "test_tides.py"}


def test_its_tests_pass(written: Path) -> None:
    found = run(written, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_tides.py")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "3 passed" in found.stdout


def test_both_parts_say_the_same_in_demo_restarted_demo_and_lab(written: Path, tmp_path: Path) -> None:
    found = run(written, "-m", "tests.engine.part_runs", "tides", str(tmp_path / "home"))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["trades"] > 5
    assert told["parts"] == ["regime", "signal"]
    assert told["whole"] == told["interrupted"]
    assert told["decided_on"] == told["lab"]
    assert sum(map(len, told["lab"].values())) > 300
    assert told["trained"] == told["trained_again"]
    assert {version.split(":")[0] for version in told["trained"]} == {"signal"}
    assert told["verified"] == [True, True]
    assert told["fault"] == ""


def test_its_model_is_validated_with_the_rule_beside_it(written: Path, tmp_path: Path) -> None:
    where = ("--home", str(tmp_path / "home"), "--market", "recorded", "--symbol", "SOLUSDT", "--json")
    found = run(
        written,
        "-c",
        "import quarterdeck; quarterdeck.main()",
        "validate",
        "tides",
        "--from",
        "2025-06-06",
        "--jobs",
        "1",
        *where,
    )
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    told = json.loads(found.stdout)
    assert told["status"] == "complete"
    (validation,) = told["validations"]
    assert len(validation["paths"]) == 5
    assert all(path["trades"] > 10 for path in validation["paths"])
