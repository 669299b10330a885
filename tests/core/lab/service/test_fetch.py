from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.clock import VirtualClock
from core.control.requests import FetchRequest
from core.home.folder import Home
from core.lab.service import fetch


class Market:
    """A store that remembers what it was asked to look for."""

    def __init__(self) -> None:
        self.beyond: list[float] = []

    def imported(self, *, thorough: bool) -> Market:
        return self

    def problems(self, beyond: float) -> list[Any]:
        self.beyond.append(beyond)
        return []


def test_the_check_at_the_end_goes_by_the_jumps_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: Any) -> Any:
        return SimpleNamespace(taken=[], unlisted={}, wire=object()), []

    monkeypatch.setattr(fetch, "_fetched", nothing)
    home, market = Home(tmp_path / "home"), Market()
    home.create()
    home.settings.write_text("[lab]\njump_volatilities = 7.5\n")
    request = FetchRequest(("BTCUSDT",), "1m", 0)
    fetch.fetch_data(home, market, VirtualClock(0), request, print, lambda _: None, lambda: False)  # type: ignore[arg-type]
    assert market.beyond == [7.5]
