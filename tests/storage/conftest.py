from __future__ import annotations

from pathlib import Path

import pytest

from storage.database import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "quarterdeck.db")
