"""What a zip of the archive may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import DataError
from core.market.fetch.plan import ArchiveFile, Period
from core.market.fetch.unpack import read_candles, read_funding
from tests.venue.archive import zipped

DAY_MS = 86_400_000
T0_MS = 20_240 * DAY_MS
DAY = ArchiveFile(Period.DAY, "daily/klines/BTCUSDT/1m", "BTCUSDT-1m-2025-06-01", T0_MS, T0_MS + DAY_MS)
CANDLES = "".join(f"{T0_MS + i * 60_000},100.0,101.0,99.0,100.5,{i + 1}\n" for i in range(3))
RATES = f"calc_time,funding_interval_hours,last_funding_rate\n{T0_MS},8,0.00010000\n"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return tmp_path / DAY.name


def test_candles_are_read_under_the_name_and_the_hash_of_the_zip(packed: Path) -> None:
    packed.write_bytes(zipped("whatever/it is.csv", CANDLES))
    found = read_candles(packed, DAY, "BTCUSDT", 60_000)
    assert (found.bars.symbol, found.bars.volume.tolist()) == ("BTCUSDT", [1.0, 2.0, 3.0])
    assert found.origin.name == DAY.name
    assert list(packed.parent.iterdir()) == [packed]


def test_rates_are_read(packed: Path) -> None:
    packed.write_bytes(zipped("rates.csv", RATES))
    assert read_funding(packed, DAY, "BTCUSDT").rates.tolist() == [0.0001]


def test_what_is_no_candles_or_no_rates_is_refused(packed: Path) -> None:
    packed.write_bytes(zipped("a.csv", RATES))
    with pytest.raises(DataError, match=DAY.name):
        read_candles(packed, DAY, "BTCUSDT", 60_000)
    packed.write_bytes(zipped("a.csv", CANDLES))
    with pytest.raises(DataError, match=DAY.name):
        read_funding(packed, DAY, "BTCUSDT")


@pytest.mark.parametrize("shift_ms", [-60_000, DAY_MS - 120_000])
def test_rows_of_another_period_are_refused(packed: Path, shift_ms: int) -> None:
    rows = "".join(f"{T0_MS + shift_ms + i * 60_000},100,101,99,100.5,{i + 1}\n" for i in range(3))
    packed.write_bytes(zipped("a.csv", rows))
    with pytest.raises(DataError, match="rows of another period"):
        read_candles(packed, DAY, "BTCUSDT", 60_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        zipped("a.csv", CANDLES)[:-40],
        zipped("a.csv", CANDLES).replace(b"PK\x03\x04", b"PK\x03\x05", 1),
    ],
)
def test_a_damaged_zip_is_refused(packed: Path, content: bytes) -> None:
    packed.write_bytes(content)
    with pytest.raises(DataError, match=DAY.name):
        read_candles(packed, DAY, "BTCUSDT", 60_000)
    assert list(packed.parent.iterdir()) == [packed]
