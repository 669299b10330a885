from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.control.socket import ControlServer
from core.home.folder import Home
from tests.core.control.control_samples import FakeControl


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
async def server(home: Home, control: FakeControl) -> AsyncIterator[ControlServer]:
    async with ControlServer(control, home) as server:
        yield server
