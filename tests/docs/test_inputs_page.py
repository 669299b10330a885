"""The strategy that docs/inputs.md builds: installed as an installer would, tested, the same in demo and lab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.market.seeing import fields_of
from tests.docs.pages import files_of, installed, run, text_of

PAGE = "inputs.md"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("funded"), "funded", PAGE)


def test_the_page_shows_every_file_of_its_example() -> None:
    assert set(files_of(PAGE)) == {"pyproject.toml", "funded/declaration.py", "funded/model.py", "test_funded.py"}


@pytest.mark.parametrize("name", ["funding", "bars.15m", "time"])
def test_the_page_names_the_columns_of_an_input(name: str) -> None:
    (row,) = (line for line in text_of(PAGE).splitlines() if line.startswith(f"| `{name}`"))
    assert all(f"`{field.name}`" in row for field in fields_of(name))


def test_its_tests_pass(written: Path) -> None:
    found = run(written, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_funded.py")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "3 passed" in found.stdout


def test_it_sees_the_same_in_demo_lab_and_training(written: Path, tmp_path: Path) -> None:
    found = run(written, "-m", "tests.docs.seen_inputs", str(tmp_path / "home"))
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-4000:]
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["trades"] > 5
    demo, interrupted, lab = told["forecasts"]
    assert demo == interrupted == lab
    assert sum(map(len, demo.values())) > 300
    trained_in_demo, trained_in_lab = told["trained"]
    assert trained_in_demo == trained_in_lab
    assert len(trained_in_demo) == 8
    assert told["rates"] > 1
    assert told["checks"] == ["clean"] * 3
    whole, same, other = told["hashes"]
    assert whole == same != other
    assert told["verified"] == [True, True]
