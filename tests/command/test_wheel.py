"""The wheel, built and installed as an installer does it: it holds the recorded market, and its demo runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.command.kit import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "node_modules", "shared")
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"


def command(*words: object, where: Path) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment = {name: value for name, value in kept.items() if not name.startswith("QUARTERDECK_")}
    return subprocess.run([*map(str, words)], cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    built = command(sys.executable, "-c", BUILD, where=source)
    assert built.returncode == 0, built.stderr
    (found,) = (source / "dist").glob("*.whl")
    return found


def test_it_holds_what_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*") if path.is_file()}
    shipped |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "storage").rglob("*.sql")}
    shipped |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "tui").rglob("*.tcss")}
    assert shipped - names == set()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not {name for name in names if name.startswith(("tests/", "benchmarks/", "tools/"))}


def test_its_demo_runs(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    installed = command(*pip, "install", "--no-deps", "--no-index", wheel, where=tmp_path)
    assert installed.returncode == 0, installed.stderr
    # What it depends on is borrowed; the folder that this suite is in comes behind what was just installed.
    (site,) = (place / "lib").glob("python3.*/site-packages")
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    told = command(python, "-c", "from core.market.shipped import DATA; print(DATA)", where=tmp_path)
    assert Path(told.stdout.strip()) == site / "data", told.stderr
    settings = tmp_path / "settings.toml"
    settings.write_text('strategy = "ema_cross"\n')
    home = tmp_path / "home"
    span = ("--from", "2025-06-06T12:30", "--to", "2025-06-06T12:40")
    ran = command(
        place / "bin" / "quarterdeck", "run", "--headless", "--speed", "max", "--home", home, "--settings", settings,
        *span, where=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    status = command(place / "bin" / "quarterdeck", "status", "--json", "--home", home, where=tmp_path)
    assert json.loads(status.stdout)["as_of_ms"] == 1_749_213_600_000, status.stderr
