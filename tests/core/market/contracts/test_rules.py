from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import BadInputError, DataError
from core.market.contracts.instruments import load_instruments
from core.market.contracts.rules import ContractRules, Kind, coins_of, read_rules, rules_at, rules_of
from core.settings.schema import CostSettings

SHIPPED = Path(__file__).parents[4] / "data" / "instruments.toml"
DAY_MS = 86_400_000
MAY_4_2022_MS = 1_651_622_400_000
SOL = """
[SOLUSDT]
as_of = 2023-01-01
source = "exchangeInfo of the venue"
tick_size = "0.001"
lot_size = 1
min_qty = "1"
max_qty = "9000"
min_notional_usdt = 5
max_leverage = 50
maintenance_margin_pct = 1.0
liquidation_fee_bps = "100"
"""


def written(path: Path, text: str) -> Path:
    file = path / "rules.toml"
    file.write_text(text)
    return file


def test_rules_have_a_day_and_a_source(tmp_path: Path) -> None:
    (rules,) = read_rules(written(tmp_path, SOL))
    assert (rules.symbol, rules.base, rules.quote, rules.day) == ("SOLUSDT", "SOL", "USDT", "2023-01-01")
    assert (rules.kind, rules.source) == ("file", "exchangeInfo of the venue")
    assert (rules.tick_size, rules.lot_size, rules.contract_size) == (Decimal("0.001"), Decimal(1), Decimal(1))
    assert (rules.max_leverage, rules.maintenance_margin_pct) == (50, Decimal("1.0"))


def test_what_stands_above_the_tables_is_of_all_and_a_table_has_its_own(tmp_path: Path) -> None:
    file = written(
        tmp_path, 'as_of = "2024-02-03"\n' + SOL + SOL.replace("SOLUSDT", "XUSDT").replace("as_of = 2023-01-01", "")
    )
    assert [(rules.symbol, rules.day) for rules in read_rules(file)] == [
        ("SOLUSDT", "2023-01-01"),
        ("XUSDT", "2024-02-03"),
    ]
    bare = written(tmp_path, SOL.replace("as_of = 2023-01-01", "").replace('source = "exchangeInfo of the venue"', ""))
    (rules,) = read_rules(bare, as_of_ms=MAY_4_2022_MS + 5)
    assert (rules.day, rules.source) == ("2022-05-04", "rules.toml")
    (rules,) = read_rules(bare, as_of_ms=MAY_4_2022_MS, source="a page of the venue")
    assert rules.source == "a page of the venue"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("as_of = 2023-01-01\n", ""), r"\[SOLUSDT\] lacks as_of, the UTC day .*--as-of"),
        (("2023-01-01", '"yesterday"'), "as_of: 'yesterday' is no day; write the UTC day .* as 2023-05-01"),
        (("tick_size", "tik_size"), "tik_size: unknown key; did you mean tick_size"),
        (('tick_size = "0.001"\n', ""), "lacks tick_size"),
        (('"0.001"', '"0,001"'), "tick_size: '0,001' is no number"),
        (('"0.001"', '"nan"'), "tick_size: 'nan' is no number"),
        (('"0.001"', "true"), "tick_size: True is no number"),
        (('"0.001"', "0"), "tick_size: 0 cannot be"),
        (('"0.001"', "-0.1"), "tick_size: -0.1 cannot be"),
        (('"9000"', '"1e99999"'), "max_qty: .* cannot be"),
        (('"9000"', '"0.5"'), "max_qty: 0.5 does not go with min_qty and lot_size"),
        (("= 50", "= 0.5"), "max_leverage: 0.5 is no whole number"),
        (("= 1.0", "= 100"), "maintenance_margin_pct: 100 is no share"),
        (('"exchangeInfo of the venue"', '" "'), "source: ' ' is no text"),
        ((SOL, "SOLUSDT = 3"), "SOLUSDT is no table of a contract"),
        ((SOL, 'as_of = "2023-01-01"'), "holds no contract; write a table for each"),
        ((SOL, "symbol,tick\n"), "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_names_file_contract_key_and_mend(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_rules(written(tmp_path, SOL.replace(*change)))
    assert "rules.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_smallest_quantity_off_the_lot_is_the_next_lot(tmp_path: Path) -> None:
    (rules,) = read_rules(written(tmp_path, SOL.replace('min_qty = "1"', 'min_qty = "2.5"')))
    instrument = rules.instrument(CostSettings())
    assert (instrument.min_lots, instrument.max_lots) == (3, 9_000)


def test_the_shipped_rules_say_whose_and_of_when_they_are() -> None:
    rules = read_rules(SHIPPED, "shipped")
    assert {(item.kind, item.day, item.quote) for item in rules} == {("shipped", "2022-05-04", "USDT")}
    assert all("exchangeInfo of Binance USD-M of 2022-05-04" in item.source for item in rules)


def test_an_instrument_and_its_rules_are_the_same() -> None:
    costs = CostSettings()
    for instrument in load_instruments(SHIPPED, costs).values():
        rules = rules_of(instrument, "USDT", MAY_4_2022_MS + 5, "exchange", "a venue")
        assert rules.instrument(costs) == instrument
        assert (rules.as_of_ms, rules.kind, rules.source) == (MAY_4_2022_MS, "exchange", "a venue")


def test_a_contract_in_another_coin_is_refused_in_words() -> None:
    usdc = replace(read_rules(SHIPPED)[0], symbol="BTCUSDC", quote="USDC")
    with pytest.raises(
        BadInputError, match=r"BTCUSDC: is quoted in USDC, and accounts are kept in USDT: .* of BTC that"
    ):
        usdc.instrument(CostSettings())


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("BTCUSDT", "BTC", "USDT"),
        ("1000PEPEUSDT", "1000PEPE", "USDT"),
        ("BTCUSDT_250328", "BTC", "USDT"),
        ("BTC_USDT", "BTC", "USDT"),
        ("BTC-USDT-SWAP", "BTC", "USDT"),
        ("BTC/USDT:USDT", "BTC", "USDT"),
        ("BTCUSDC", "BTC", "USDC"),
        ("BTC_USDC", "BTC", "USDC"),
        ("BTCUSD_PERP", "BTC", "USD"),
        ("BTCFDUSD", "BTC", "FDUSD"),
        ("ETHBTC", "ETH", "BTC"),
        ("币安人生USDT", "币安人生", "USDT"),
        ("NAMELESS", "NAMELESS", "USDT"),
        ("USDT", "USDT", "USDT"),
    ],
)
def test_a_name_tells_its_coins(symbol: str, base: str, quote: str) -> None:
    assert coins_of(symbol) == (base, quote)


@pytest.mark.parametrize(
    ("at_day", "kind", "day"),
    [
        (5, "shipped", 10),  # earlier than all: the earliest
        (10, "shipped", 10),
        (15, "shipped", 10),
        (20, "file", 20),  # of one day, a file goes before what an exchange told
        (99, "inferred", 30),
    ],
)
def test_the_newest_rules_of_the_time_go_before_all_others(at_day: int, kind: Kind, day: int) -> None:
    base = read_rules(SHIPPED)[0]
    days: list[tuple[Kind, int]] = [("inferred", 30), ("exchange", 20), ("shipped", 10), ("file", 20)]
    known = [replace(base, kind=kind, as_of_ms=day * DAY_MS) for kind, day in days]
    found: ContractRules | None = rules_at(known, at_day * DAY_MS)
    assert found is not None
    assert (found.kind, found.as_of_ms // DAY_MS) == (kind, day)
    assert rules_at([], 0) is None
