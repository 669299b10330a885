from __future__ import annotations

import pytest

from tests.core.trader.desk import Desk, make_trader


@pytest.fixture
def desk() -> Desk:
    """A trader with the default limits, at noon UTC."""
    return Desk(make_trader())


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuses connections of ccxt's clients to other machines; the addresses that were asked for."""
    import aiohttp

    asked: list[str] = []
    connect = aiohttp.TCPConnector.connect

    async def guarded(self, request, *rest, **named):
        asked.append(str(request.url.with_query(None)))
        assert request.url.host == "127.0.0.1", f"{request.url.host} was contacted"
        return await connect(self, request, *rest, **named)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", guarded)
    return asked
