"""Where live orders would not be safe the command refuses them, in one line, before it asks the exchange anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.exchange.dialects import dialect_of
from tests.command import kit
from tui.console.arming import RISK

KEYS = {"QUARTERDECK_API_KEY": "loopback1234", "QUARTERDECK_API_SECRET": "loopbacksecret"}


@pytest.mark.parametrize("exchange_id", ["mexc", "apex"])
def test_live_is_refused(tmp_path: Path, exchange_id: str) -> None:
    settings = tmp_path / "settings.toml"
    # Nothing listens there: to ask would end otherwise.
    settings.write_text(f'mode = "live"\n[exchange]\nid = "{exchange_id}"\nbase_url = "http://127.0.0.1:9"\n')
    asked = ("run", "--headless", "--home", tmp_path / "home", "--settings", settings, "--confirm-live", "1234")
    answer = kit.quarterdeck(*asked, **KEYS)
    assert answer.code == 2, answer
    risk, line = answer.err.splitlines()
    assert risk == RISK
    assert line.startswith(f'quarterdeck: [exchange] id = "{exchange_id}": live trading is refused: ')
    assert all(why in line for why in dialect_of(exchange_id).live_blockers)
    assert line.endswith('set mode = "paper"')
    assert not any((tmp_path / "home").glob("*.db"))
