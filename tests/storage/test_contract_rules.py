from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from core.market.contracts.rules import read_rules
from storage.contract_rules import drop_rules, put_rules, stored_rules
from storage.database import Database
from tests.storage.test_data_admin import DATA

DAY_MS = 86_400_000
BTC, ETH = read_rules(DATA / "instruments.toml")[:2]


def test_rules_come_back_as_they_were_stored(database: Database) -> None:
    fine = replace(BTC, tick_size=Decimal("1E-8"), kind="exchange", source="a venue, 2026")
    put_rules(database, [ETH, BTC, fine])
    assert stored_rules(database) == [fine, BTC, ETH]


def test_the_same_day_and_kind_is_replaced(database: Database) -> None:
    put_rules(database, [BTC, replace(BTC, as_of_ms=BTC.as_of_ms + DAY_MS)])
    put_rules(database, [replace(BTC, max_leverage=50)])
    assert [rules.max_leverage for rules in stored_rules(database)] == [50, 125]


def test_those_of_a_day_or_all_can_be_dropped(database: Database) -> None:
    put_rules(database, [BTC, replace(BTC, as_of_ms=BTC.as_of_ms + DAY_MS), ETH])
    assert drop_rules(database, "BTCUSDT", BTC.as_of_ms) == 1
    assert drop_rules(database, "BTCUSDT", None) == 1
    assert drop_rules(database, "BTCUSDT", None) == 0
    assert stored_rules(database) == [ETH]
