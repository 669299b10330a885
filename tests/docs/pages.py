"""The files that a page shows, written as its reader would, with the metadata that an installation adds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
METADATA = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('.')"


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def files_of(page: str) -> dict[str, str]:
    """By name, the texts that stand below a name of theirs."""
    found = re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    return dict(found)


def run(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{where}{os.pathsep}{ROOT}"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=where, env=environment, capture_output=True, text=True, check=False
    )


def installed(where: Path, package: str, page: str) -> Path:
    """`where`, with the page's distribution in it."""
    (where / package).mkdir()
    (where / package / "__init__.py").touch()
    for name, text in files_of(page).items():
        (where / name).write_text(text)
    made = run(where, "-c", METADATA)
    assert made.returncode == 0, made.stderr
    return where
