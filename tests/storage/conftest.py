from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.database import Database, open_database


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that went through every migration: that takes 80 ms of the processor, and each step waits for the disk."""
    return open_database(tmp_path_factory.mktemp("empty") / "quarterdeck.db").path


@pytest.fixture
def database(_empty: Path, tmp_path: Path) -> Database:
    return Database(shutil.copy(_empty, tmp_path / "quarterdeck.db"))
