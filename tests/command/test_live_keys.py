"""A live start whose key the exchange refuses ends in one line with the mend, and nothing was traded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from tests.command import kit
from tests.venue.server import VenueServer
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

MEND = "check the key, its rights and the addresses that it may be used from"


def now_ms() -> int:
    return SystemClock().now_ms()


@pytest.fixture
async def server() -> AsyncIterator[VenueServer]:
    venue = BinanceVenue(["BTCUSDT"], start_ms=now_ms())
    venue.set_book("BTCUSDT", "50000.0", "50000.1", now_ms())
    async with VenueServer(venue, now_ms) as server:
        yield server


async def start(home: Path, server: VenueServer, secret: str = API_SECRET) -> kit.Answer:
    make(home, server)
    keys = {"QUARTERDECK_API_KEY": API_KEY, "QUARTERDECK_API_SECRET": secret}
    arguments = ("run", "--headless", "--home", home, "--confirm-live", API_KEY[-4:])
    return await asyncio.to_thread(lambda: kit.quarterdeck(*arguments, **keys))


def make(home: Path, server: VenueServer) -> None:
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text(
        f'mode = "live"\n\n[exchange]\nbase_url = "{server.base_url}"\nsymbols = ["BTCUSDT"]\n'
        "\n[live]\npaper_hours_first = 0\n"
    )


async def test_a_key_that_may_not_trade_is_refused(server: VenueServer, tmp_path: Path) -> None:
    server.venue.settings.can_trade = False
    answer = await start(tmp_path / "home", server)
    assert answer.code == 1, answer
    assert answer.err.splitlines()[-1] == (
        "quarterdeck: this key may not trade: fapiPrivatePostOrderTest: "
        f"Invalid API-key, IP, or permissions for action (-2015); {MEND}"
    )
    assert server.venue.orders == []


async def test_a_secret_of_another_key_is_refused(server: VenueServer, tmp_path: Path) -> None:
    secret = "anothersecret" * 5
    answer = await start(tmp_path / "home", server, secret)
    assert answer.code == 1, answer
    assert answer.err.splitlines()[-1].endswith(
        "Signature for this request is not valid. (-1022); the secret does not belong to the API key: copy both again"
    )
    assert "Traceback" not in answer.err
    assert secret not in answer.err
