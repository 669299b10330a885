"""The strategy that docs/strategies.md builds, built: installed as an installer would, found, tested and named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli

from core.settings.schema import parse_settings
from tests.docs.pages import files_of, installed, run, text_of

PAGE = "strategies.md"
SETTINGS = re.findall(r"^```toml\n(strategy = .*?)^```$", text_of(PAGE), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("ema-band"), "ema_band", PAGE)


def test_the_page_shows_every_file_of_its_example() -> None:
    assert set(files_of(PAGE)) == {
        "pyproject.toml",
        "ema_band/rule.py",
        "ema_band/declaration.py",
        "ema_band/columns.py",
        "ema_band/exits.py",
        "test_ema_band.py",
        "test_columns.py",
        "test_exits.py",
    }
    assert len(SETTINGS) == 1


@pytest.mark.parametrize(("tests", "passed"), [("test_ema_band.py", 4), ("test_columns.py", 8), ("test_exits.py", 3)])
def test_its_tests_pass(tests: str, passed: int, written: Path) -> None:
    found = run(written, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{passed} passed" in found.stdout


def test_the_command_finds_it_by_its_entry_point(written: Path) -> None:
    (written / "mine.toml").write_text(SETTINGS[0])
    main = "from quarterdeck import main; main()"
    found = run(written, "-c", main, "doctor", "--settings", "mine.toml", "--home", "home", "--json")
    assert '"ema_band"' in found.stdout, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bars": 1}, "ema_band.bars: Input should be greater than or equal to 2, got 1"),
        ({"band": 15}, "ema_band.band: unknown key; did you mean band_bps?"),
    ],
)
def test_its_bad_settings_are_told_as_the_houses_own(written: Path, options: dict[str, int], said: str) -> None:
    code = (
        "from core.settings.schema import Settings; from core.strategy.loading import load_strategy\n"
        f"load_strategy('ema_band', Settings(strategy='ema_band', ema_band={options!r}))"
    )
    found = run(written, "-c", code)
    assert found.stderr.splitlines()[-1] == f"core.domain.errors.SettingsError: {said}"


def test_its_settings_are_settings() -> None:
    settings = parse_settings(tomli.loads(SETTINGS[0]), "the page")
    assert settings.strategy == "ema_band"
    assert set(settings.tables["ema_band"]) == {"bars", "band_bps"}
