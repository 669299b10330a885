"""An account whose settings name a further symbol at a later start."""

from __future__ import annotations

from pathlib import Path

from core.domain.market import MINUTE_MS
from core.home.folder import Home
from storage.reader import Reader
from tests.engine import modes

FROM_MS = 1_749_166_200_000
SETTINGS = 'strategy = "ema_cross"\n[market]\nsymbols = [{symbols}]\n'


def test_a_symbol_that_joins_later_has_its_contract_rules_in_every_reading(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS.format(symbols='"SOLUSDT"'))
    modes.demo(tmp_path, FROM_MS, FROM_MS + 10 * MINUTE_MS)
    settings.write_text(SETTINGS.format(symbols='"SOLUSDT", "XRPUSDT"'))
    modes.demo(tmp_path, FROM_MS, FROM_MS + 300 * MINUTE_MS)
    with Reader(Home(tmp_path).database) as reader:
        orders = reader.orders()
    assert {order["symbol"] for order in orders} == {"SOLUSDT", "XRPUSDT"}
    assert all(order["qty"] for order in orders), orders
