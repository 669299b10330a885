from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from core.market.importing.naming import is_symbol, named, symbol_in


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-1m-2025-01.zip", "BTCUSDT"),
        ("BTCUSDT_1h_data.csv", "BTCUSDT"),
        ("btcusdt_5m.csv", "BTCUSDT"),
        ("Binance_BTCUSDT_1h.csv", "BTCUSDT"),
        ("1000PEPEUSDT-1m.csv", "1000PEPEUSDT"),
        ("BTCUSDC-1m.csv", "BTCUSDC"),
        ("BTC_USDT_USDT-1m-futures.feather", "BTCUSDT"),
        ("BTC-USDT-SWAP-2025-01.csv", "BTCUSDT"),
        ("BTC_USDT-5m.json", "BTCUSDT"),
        ("BTCUSDT_PERP-1m.csv", "BTCUSDT"),
        ("BTCUSDT_250328-1m-2025-01.csv", "BTCUSDT_250328"),
        ("BTCUSDT-28MAR25-1m.csv", "BTCUSDT_250328"),
        ("BTCUSDT-5DEC25_5m.csv", "BTCUSDT_251205"),
        ("BTC_USDT_USDT-250328-1m-futures.feather", "BTCUSDT_250328"),
        ("BTC-USDT-250328-1m.csv", "BTCUSDT_250328"),
        ("BTCUSDT_20250604_20250605.csv", "BTCUSDT"),
        ("BTCUSDT_202501-1m.csv", "BTCUSDT"),
        ("BTCUSD_PERP-1m.csv", "BTCUSD_PERP"),
        ("BTC-USD-SWAP-1m.csv", "BTCUSD_PERP"),
        ("BTC_USD_BTC-1m-futures.feather", "BTCUSD_PERP"),
        ("BTCUSD_250328-1m.csv", "BTCUSD_250328"),
        ("币安人生USDT-1m-2025-11.zip", "币安人生USDT"),
        ("ÉTÉUSDT-1m.csv", "ÉTÉUSDT"),
        ("prices-1m.csv", ""),
        ("BTCUSDT-ETHUSDT-1m.csv", ""),
        ("USDT-1m.csv", ""),
    ],
)
def test_the_symbol_of_a_name(name: str, symbol: str) -> None:
    """A delivery contract keeps its own, and one paid in its coin is not the one paid in dollars."""
    assert named(Path(name)).symbol == symbol
    assert named(Path(unicodedata.normalize("NFD", name))).symbol == symbol
    assert not symbol or is_symbol(symbol)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC/USDT:USDT", "BTCUSDT"),
        ("BTC/USDT", "BTCUSDT"),
        ("BTC/USDT:USDT-250328", "BTCUSDT_250328"),
        ("BTC/USD:BTC", "BTCUSD_PERP"),
        ("BTC-USDT-SWAP", "BTCUSDT"),
        ("BTC-USDT-20250328", "BTCUSDT_250328"),
        ("BTCUSDT_20250328", "BTCUSDT_250328"),
        ("BTCUSDT", "BTCUSDT"),
        ("gold", ""),
    ],
)
def test_the_symbol_of_a_text(text: str, symbol: str) -> None:
    assert symbol_in(text) == symbol


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTCUSDT_250328", "币安人生USDT", "1000PEPEUSDT"])
def test_a_symbol(symbol: str) -> None:
    assert is_symbol(symbol)


@pytest.mark.parametrize(
    "symbol", ["", "_", "btcusdt", "BTC-USDT", "BTC USDT", "../X", "A" * 33, "A\x1bB", "E\u0301USDT"]
)
def test_no_symbol(symbol: str) -> None:
    assert not is_symbol(symbol)


@pytest.mark.parametrize(
    ("name", "interval"),
    [
        ("BTCUSDT-1m-2025-01.csv", "1m"),
        ("BTCUSDT_1h_data.csv", "1h"),
        ("BTCUSDT-1D.csv", "1d"),
        ("BTCUSDT-4H.csv", "4h"),
        ("BTCUSDT-1M.csv", None),
        ("BTCUSDT-1m-5m.csv", None),
        ("BTCUSDT.csv", None),
    ],
)
def test_the_interval_of_a_name(name: str, interval: str | None) -> None:
    """A month is not a minute."""
    assert named(Path(name)).interval == interval


ARCHIVE = Path("data/futures/um/monthly")


@pytest.mark.parametrize(
    ("path", "kind", "looks_spot"),
    [
        (Path("BTCUSDT-1m.csv"), "", False),
        (Path("BTC_USDT_USDT-1h-mark.feather"), "mark", False),
        (Path("BTC_USDT_USDT-1h-index.feather"), "index", False),
        (Path("BTC_USDT_USDT-1h-premiumIndex.feather"), "premium", False),
        (Path("BTCUSDT-markPriceKlines-1m-2025-01.csv"), "mark", False),
        (Path("BTCUSDT_mark_price_1m.csv"), "mark", False),
        (Path("BTC_USDT_USDT-8h-funding_rate.feather"), "funding", False),
        (Path("BTCUSDT-fundingRate-2025-01.zip"), "funding", False),
        (ARCHIVE / "markPriceKlines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip", "mark", False),
        (ARCHIVE / "indexPriceKlines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip", "index", False),
        (ARCHIVE / "premiumIndexKlines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip", "premium", False),
        (ARCHIVE / "klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip", "", False),
        (Path("data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip"), "spot", False),
        (Path("BTCUSDT-spot-1m.csv"), "spot", False),
        (Path("BTC_USDT-5m.json"), "", True),
        (Path("futures/BTC_USDT-5m.json"), "", False),
        (Path("BTC_USDT-5m-futures.json"), "", False),
        (Path("BTC_USDT_USDT-5m-futures.json"), "", False),
        (Path("INDEX_USDT_USDT-5m-futures.json"), "", False),
        (Path("mark/BTCUSDT-1m.csv"), "", False),
    ],
)
def test_the_kind_of_a_name_and_of_its_folders(path: Path, kind: str, looks_spot: bool) -> None:
    found = named(path)
    assert (found.kind, found.looks_spot) == (kind, looks_spot)


def test_what_a_name_leaves_open_is_told_by_what_is_packed_in_it() -> None:
    found = named(Path("download.zip"), "BTCUSDT_250328-1m-2025-01.csv")
    assert (found.symbol, found.interval) == ("BTCUSDT_250328", "1m")
    assert named(Path("ETHUSDT-5m.zip"), "BTCUSDT-1m.csv").symbol == "ETHUSDT"
