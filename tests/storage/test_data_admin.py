from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import DataError
from storage.candles import SqliteCandles
from storage.data_admin import check_data, import_file, import_recorded_market, list_data
from storage.database import Database

DATA = Path(__file__).parents[2] / "data"
T0 = 1_748_995_200_000
MINUTE = 60_000
NOW = 1_760_000_000_000


def candle_file(path: Path, minutes: list[int], close: float = 10.5) -> Path:
    lines = [f"{T0 + n * MINUTE},10,11,9,{close},{n}" for n in minutes]
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines))
    return path


def funding_file(path: Path, rows: list[str], columns: str = "funding_time,funding_rate,mark_price") -> Path:
    path.write_text("\n".join([columns, *rows]))
    return path


async def test_the_recorded_market_is_stored_once(database: Database) -> None:
    first = import_recorded_market(database, DATA, NOW)
    again = import_recorded_market(database, DATA, NOW + 1)
    assert sum(report.added for report in first if report.kind == "candles") == 72_000
    assert sum(report.added for report in first if report.kind == "funding") == 150
    assert [report.added for report in again] == [0] * 10
    assert {(row.is_synthetic, row.imported_ms) for row in list_data(database)} == {(False, NOW)}
    assert check_data(database) == []
    candles = await SqliteCandles.open(database)
    bars = await candles.bars("BTCUSDT", T0, T0 + 2880 * MINUTE)
    rates = await candles.funding("BTCUSDT", T0, T0 + 1)
    await candles.close()
    assert (len(bars.close), bars.open[0]) == (2_880, 105330.1)
    assert (rates[0].rate, rates[0].mark_price) == (Decimal("-1.1E-7"), Decimal("105330.1"))


def test_a_report_and_a_row_can_be_told_as_dicts(database: Database, tmp_path: Path) -> None:
    report = import_file(database, candle_file(tmp_path / "AUSDT-1m.csv", [1, 2]), synthetic=True, now_ms=NOW)
    assert {key: report.as_dict()[key] for key in ("file", "symbol", "interval", "rows", "added", "is_synthetic")} == {
        "file": "AUSDT-1m.csv",
        "symbol": "AUSDT",
        "interval": "1m",
        "rows": 2,
        "added": 2,
        "is_synthetic": True,
    }
    (row,) = list_data(database)
    assert row.as_dict()["source"] == "AUSDT-1m.csv"
    assert row.is_synthetic


def test_a_file_whose_name_is_no_text_is_kept_under_a_plain_one(database: Database, tmp_path: Path) -> None:
    path = candle_file(tmp_path / os.fsdecode(b"BTCUSDT-1m-\xff\x1b[2J.csv"), [0, 1])
    report = import_file(database, path, now_ms=NOW)
    assert (report.symbol, report.added) == ("BTCUSDT", 2)
    assert [row.source for row in list_data(database)] == [r"BTCUSDT-1m-\udcff\x1b[2J.csv"]


def test_an_equal_overlap_adds_only_what_is_new(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path / "AUSDT-1m-a.csv", [1, 2, 3]), now_ms=NOW)
    report = import_file(database, candle_file(tmp_path / "AUSDT-1m-b.csv", [2, 3, 4]), now_ms=NOW)
    assert (report.rows, report.added) == (3, 1)
    assert [(row.source, row.rows) for row in list_data(database)] == [("AUSDT-1m-a.csv", 3), ("AUSDT-1m-b.csv", 1)]


def test_other_values_are_refused_with_line_and_source(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path / "AUSDT-1m-a.csv", [2, 3]), now_ms=NOW)
    with pytest.raises(DataError, match=r"b.csv: line 3: the row of .* with other values from AUSDT-1m-a.csv; find"):
        import_file(database, candle_file(tmp_path / "AUSDT-1m-b.csv", [1, 2, 3], close=10.6), now_ms=NOW)
    assert [(row.source, row.rows) for row in list_data(database)] == [("AUSDT-1m-a.csv", 2)]


def test_a_bad_file_stores_nothing(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3"):
        import_file(database, candle_file(tmp_path / "AUSDT-1m.csv", [1, 1]), now_ms=NOW)
    assert list_data(database) == []


def test_the_same_bytes_can_be_another_symbol(database: Database, tmp_path: Path) -> None:
    path = candle_file(tmp_path / "AUSDT-1m.csv", [1, 2])
    import_file(database, path, now_ms=NOW)
    assert import_file(database, path, symbol="AUSDT", interval="1m", now_ms=NOW).added == 0
    assert import_file(database, path, symbol="BUSDT", now_ms=NOW).added == 2


def test_the_same_bytes_under_the_name_of_another_symbol_are_not_the_same(database: Database, tmp_path: Path) -> None:
    path = candle_file(tmp_path / "AUSDT-1m.csv", [1, 2])
    import_file(database, path, now_ms=NOW)
    other = path.rename(tmp_path / "BUSDT-1m.csv")
    report = import_file(database, other, now_ms=NOW)
    assert (report.symbol, report.added) == ("BUSDT", 2)
    kept = other.rename(tmp_path / "prices.csv")
    assert import_file(database, kept, now_ms=NOW).added == 0


def test_funding_conflicts_are_refused(database: Database, tmp_path: Path) -> None:
    import_file(database, funding_file(tmp_path / "AUSDT-8h-a.csv", [f"{T0},0.1,5"]), now_ms=NOW)
    with pytest.raises(DataError, match=r"line 2: .* other values from AUSDT-8h-a.csv"):
        import_file(database, funding_file(tmp_path / "AUSDT-8h-b.csv", [f"{T0},0.2,5"]), now_ms=NOW)
    report = import_file(
        database, funding_file(tmp_path / "AUSDT-8h-c.csv", [f"{T0},0.1,5", f"{T0 + 480 * MINUTE},0.1,5"]), now_ms=NOW
    )
    assert report.added == 1


def test_funding_without_mark_price_is_noted(database: Database, tmp_path: Path) -> None:
    path = funding_file(tmp_path / "AUSDT-8h.csv", [f"{T0},0.1"], "funding_time,funding_rate")
    import_file(database, path, now_ms=NOW)
    assert "no mark price" in list_data(database)[0].note


def test_check_tells_gaps_and_runs_without_volume(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path / "AUSDT-1m.csv", [0, 1, 4]), now_ms=NOW)
    rates = [f"{T0},0.1,5", f"{T0 + 3 * 480 * MINUTE},0.1,5"]
    import_file(database, funding_file(tmp_path / "AUSDT-8h.csv", rates), now_ms=NOW)
    found = [(p.symbol, p.interval, p.kind, p.from_ms - T0, p.to_ms - T0, p.count) for p in check_data(database)]
    assert found == [
        ("AUSDT", "1m", "zero_volume", 0, 0, 1),
        ("AUSDT", "1m", "gap", 2 * MINUTE, 3 * MINUTE, 2),
        ("AUSDT", "8h", "gap", 480 * MINUTE, 960 * MINUTE, 2),
    ]


def test_check_tells_where_funding_does_not_reach_as_far_as_the_candles(database: Database, tmp_path: Path) -> None:
    """A day of candles; funding is there from its second settlement to its third."""
    import_file(database, candle_file(tmp_path / "AUSDT-1m.csv", list(range(1, 1441))), now_ms=NOW)
    rates = [f"{T0 + n * 240 * MINUTE},0.0001,5" for n in (2, 3)]
    import_file(database, funding_file(tmp_path / "AUSDT-4h.csv", rates), now_ms=NOW)
    before, after = check_data(database)
    assert (before.interval, before.kind, before.from_ms - T0, before.to_ms - T0, before.count) == (
        "4h",
        "gap",
        240 * MINUTE,
        240 * MINUTE,
        1,
    )
    assert (after.from_ms - T0, after.to_ms - T0, after.count) == (960 * MINUTE, 1440 * MINUTE, 3)
    assert before.text == (
        "the candles begin earlier than their funding: 1 settlement is missing, every 4h; import the funding of that "
        "time, or get it with: quarterdeck data fetch AUSDT"
    )
    assert after.text.startswith("the candles go on after their funding: 3 settlements are missing, every 4h; import")


def test_check_tells_in_one_line_that_no_funding_is_stored(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path / "AUSDT-1m.csv", list(range(1, 1441))), now_ms=NOW)
    import_file(database, candle_file(tmp_path / "BUSDT-1m.csv", list(range(1, 480))), now_ms=NOW)
    (found,) = check_data(database)
    assert (found.symbol, found.interval, found.kind, found.from_ms - T0, found.to_ms - T0, found.count) == (
        "AUSDT",
        "8h",
        "no_funding",
        480 * MINUTE,
        1440 * MINUTE,
        3,
    )
    assert found.text == (
        "none is stored, and a backtest charges what [costs] assumed_funding_bps says: 3 settlements are missing, "
        "every 8h; import the funding of that time, or get it with: quarterdeck data fetch AUSDT"
    )


def test_check_asks_no_funding_of_what_pays_none_or_has_no_candles(database: Database, tmp_path: Path) -> None:
    rates = [f"{T0 + n * 480 * MINUTE},0.0001,5" for n in (2, 3)]
    import_file(database, candle_file(tmp_path / "AUSDT_250627-1m.csv", list(range(1, 2_000))), now_ms=NOW)
    import_file(database, funding_file(tmp_path / "AUSDT_250627-8h.csv", rates), now_ms=NOW)
    import_file(database, funding_file(tmp_path / "BUSDT-8h.csv", rates), now_ms=NOW)
    assert check_data(database) == []


def test_check_finds_a_missing_settlement_at_the_interval_of_the_file(database: Database, tmp_path: Path) -> None:
    lines = [f"{T0 + 3 + n * 240 * MINUTE},4,0.0001" for n in range(12) if n != 5]
    path = funding_file(tmp_path / "AUSDT-rates.csv", lines, "calc_time,funding_interval_hours,last_funding_rate")
    assert import_file(database, path, now_ms=NOW).interval == "4h"
    assert [row.interval for row in list_data(database)] == ["4h"]
    (found,) = check_data(database)
    assert (found.interval, found.kind, found.from_ms, found.to_ms, found.count) == (
        "4h",
        "gap",
        T0 + 5 * 240 * MINUTE,
        T0 + 5 * 240 * MINUTE,
        1,
    )


def test_a_data_folder_without_candles_is_told(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no candles"):
        import_recorded_market(database, tmp_path, NOW)
