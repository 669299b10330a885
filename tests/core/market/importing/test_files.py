from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.domain.errors import DataError
from core.market.importing import CandleFile, FundingFile, read_market_file
from core.market.importing.table import MEND, file_sha256

ROOT = Path(__file__).parents[4]
T0 = 1_748_995_200_000
MINUTE = 60_000
IN_ORDER = "correct the file and import it again, --sort puts rows in order; nothing was imported"
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def line(minute: int, scale: int = 1, **changed: object) -> str:
    values: dict[str, object] = {
        "open_time": (T0 + minute * MINUTE) * scale,
        "open": "100.1",
        "high": "101.2",
        "low": "99.3",
        "close": "100.4",
        "volume": "12.5",
    }
    return ",".join(str(value) for value in {**values, **changed}.values()) + ",0,0,0,0,0,0"


def write(path: Path, lines: list[str], header: str | None = HEADER) -> Path:
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return path


def candles(path: Path, **options: str) -> CandleFile:
    found = read_market_file(path, **options)
    assert isinstance(found, CandleFile)
    return found


@pytest.mark.parametrize("header", [HEADER, None])
@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000])
def test_a_dump_is_read_with_or_without_header_in_any_unit(tmp_path: Path, header: str | None, scale: int) -> None:
    path = write(tmp_path / "BTCUSDT-1m-2025-06.csv", [line(n, scale) for n in range(3)], header)
    bars = candles(path).bars
    assert (bars.symbol, bars.interval_ms) == ("BTCUSDT", MINUTE)
    assert bars.open_time_ms.tolist() == [T0, T0 + MINUTE, T0 + 2 * MINUTE]
    assert [column[0] for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)] == [
        100.1,
        101.2,
        99.3,
        100.4,
        12.5,
    ]


def test_the_recorded_market_is_read() -> None:
    found = candles(ROOT / "data" / "candles" / "BTCUSDT-1m.parquet")
    assert len(found.bars.close) == 14_400
    assert (found.bars.open_time_ms[0], found.bars.open[0]) == (T0, 105330.1)
    assert found.origin.sha256 == file_sha256(ROOT / "data" / "candles" / "BTCUSDT-1m.parquet")


def test_parquet_with_nanoseconds_and_options(tmp_path: Path) -> None:
    path = tmp_path / "w1.parquet"
    times = (T0 + 5 * MINUTE * np.arange(3)) * 1_000_000
    prices = {name: [2.0] * 3 for name in ("open", "high", "low", "close", "volume")}
    parquet.write_table(pa.table({"ts": times, **prices}), path)
    bars = candles(path, symbol="TESTUSDT", interval="5m").bars
    assert (bars.symbol, bars.interval_ms, bars.open_time_ms[1]) == ("TESTUSDT", 5 * MINUTE, T0 + 5 * MINUTE)


def test_parquet_with_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.parquet"
    times = pa.array([T0, T0 + MINUTE]).cast(pa.timestamp("ms", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))
    prices = {name: [2.0] * 2 for name in ("open", "high", "low", "close", "volume")}
    parquet.write_table(pa.table({"open_time": times, **prices}), path)
    assert candles(path).bars.open_time_ms.tolist() == [T0, T0 + MINUTE]


def test_the_interval_is_told_by_the_times_where_the_name_does_not(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT_20250604_20250605.csv", [line(n) for n in (0, 15, 30, 60)])
    assert candles(path).bars.interval_ms == 15 * MINUTE


def test_an_unfinished_last_line_end_is_fine(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", [line(0), line(1), "", ""])
    assert len(candles(path).bars.close) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(2, high="99"), "high 99.0 is below low 99.3"),
        (line(2, high="100.2"), "high 100.2 is below open 100.1 or close 100.4"),
        (line(2, low="100.2"), "low 100.2 is above open 100.1 or close 100.4"),
        (line(2, low="0"), "price 0.0 is not above zero"),
        (line(2, open="-1"), "price -1.0 is not above zero"),
        (line(2, volume="-0.5"), "volume -0.5 is negative"),
        (line(2, close="inf"), "a price or the volume is missing or infinite"),
        (line(2, close="NaN"), "close is missing or not a number"),
        (line(2, close=""), "close is missing or not a number"),
        (line(2, close="12,5"), "Expected 12 columns, got 13"),
        (line(2, close="a lot"), "close 'a lot' is not a number"),
        (line(1), "time 1748995260000 is there twice"),
        (line(0), "time 1748995200000 comes after 1748995260000: not in order"),
        (line(2, open_time=T0 + 2 * MINUTE + 1), "is not on the 1m grid"),
        (line(2, open_time="soon"), "open_time 'soon' is no time"),
        (line(2, scale=1_000), "is not in the unit of the rows before"),
        ("", "open_time is missing or not a number"),
        ("1749", "Expected 12 columns, got 1"),
    ],
)
@pytest.mark.parametrize(("header", "number"), [(HEADER, 4), (None, 3)])
def test_a_bad_line_is_named(tmp_path: Path, bad: str, reason: str, header: str | None, number: int) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", [line(0), line(1), bad, line(3)], header)
    with pytest.raises(DataError) as caught:
        read_market_file(path)
    text = str(caught.value)
    assert text.startswith(f"BTCUSDT-1m.csv: line {number}: ")
    assert reason in text
    assert text.endswith(IN_ORDER if reason.startswith("time ") else MEND)
    assert "\n" not in text


def test_microseconds_that_are_no_whole_milliseconds_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", [line(0, 1_000), line(1, open_time=(T0 + MINUTE) * 1_000 + 1)])
    with pytest.raises(DataError, match="line 3: open_time"):
        read_market_file(path)


@pytest.mark.parametrize(
    ("name", "lines", "options", "reason"),
    [
        ("prices-1m.csv", [line(0)], {}, "does not tell the symbol; give it with --symbol"),
        ("BTCUSDT-ETHUSDT-1m.csv", [line(0)], {}, "does not tell the symbol"),
        ("BTCUSDT.csv", [line(0)], {}, "give it with --interval"),
        ("BTCUSDT.csv", [line(0), line(7)], {}, "give it with --interval"),
        ("BTCUSDT-1m.csv", [line(0)], {"interval": "7m"}, "interval '7m' is unknown; use one of 1m"),
        ("BTCUSDT-1m.csv", [line(0), line(15), line(30)], {}, "no two rows are 1m apart"),
        ("BTCUSDT-1m.csv", [], {}, "holds no rows"),
        ("BTCUSDT-1m.csv", [line(0, open_time=12)], {}, "line 2: open_time 12 is no time in seconds, milliseconds"),
        ("BTCUSDT-1m.zip", [line(0)], {}, "is not a zip archive as its name says"),
        ("BTCUSDT-1m.parquet", [line(0)], {}, "cannot be read as parquet"),
    ],
)
def test_an_unclear_file_is_refused(
    tmp_path: Path, name: str, lines: list[str], options: dict[str, str], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        read_market_file(write(tmp_path / name, lines), **options)


@pytest.mark.parametrize("name", ["BTCUSDT_{}-1m.csv", "BTC-USDT-{}-1m.csv", "BTC_USDT_USDT-{}-1m-futures.csv"])
@pytest.mark.parametrize("day", ["20250604", "20250627", "20260101"])
def test_a_day_that_may_be_of_a_delivery_is_asked_for(tmp_path: Path, name: str, day: str) -> None:
    """A quarter's contract is never taken for the perpetual, nor the other way round."""
    path = write(tmp_path / name.format(day), [line(n) for n in (-2, -1)])
    delivery = f"BTCUSDT_{day[2:]}"
    with pytest.raises(DataError, match=f"{day} may be .*; give --symbol BTCUSDT or --symbol {delivery}; nothing was"):
        read_market_file(path)
    assert candles(path, symbol="BTCUSDT").bars.symbol == "BTCUSDT"
    assert candles(path, symbol=delivery).bars.symbol == delivery
    named = write(tmp_path / name.format(day), [f"{line(-2)[:-1]}BTC-USDT-{day}"], HEADER.replace("ignore", "symbol"))
    assert candles(named).bars.symbol == delivery


@pytest.mark.parametrize(
    "name", ["BTCUSDT_20250604-1m.csv", "BTCUSDT_20250101-1m.csv", "BTCUSDT-1m-20260101.csv", "BTCUSDT_99999999-1m.csv"]
)
def test_a_day_that_candles_begin_on_or_go_beyond_is_theirs(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [line(n) for n in range(2)])
    assert candles(path).bars.symbol == "BTCUSDT"


def test_rates_of_a_delivery_are_asked_for_likewise(tmp_path: Path) -> None:
    lines = [f"{T0},0.1", f"{T0 + 480 * MINUTE},0.1"]
    path = write(tmp_path / "BTCUSDT_20250627-8h.csv", lines, "funding_time,funding_rate")
    with pytest.raises(DataError, match="give --symbol BTCUSDT or --symbol BTCUSDT_250627"):
        read_market_file(path)


def test_a_file_that_tells_only_when_candles_close_is_refused_as_that(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", [f"{T0 + MINUTE - 1},1,2,1,2,3"], "Close time,open,high,low,close,volume")
    with pytest.raises(DataError, match="line 1: tells when candles close and not when they open; add a column open_"):
        read_market_file(path)


@pytest.mark.parametrize("header", ["Date,Time,Open,High,Low,Close,Volume", "<DATE>,<TIME>,open,high,low,close,volume"])
@pytest.mark.parametrize("time", ["00:01", "00:01:00", "1:05:00"])
def test_a_date_and_a_time_in_two_columns_are_refused_as_that(tmp_path: Path, header: str, time: str) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", [f"2025-06-04,{time},1,2,1,2,3"], header)
    with pytest.raises(DataError, match=r"line 2: open_time '.*' is a time without its date; write both in"):
        read_market_file(path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", ["1,2,3"], "open_time,open,close")
    with pytest.raises(DataError, match=r"lacks the columns high, low, volume"):
        read_market_file(path)


def test_too_few_columns_without_header(tmp_path: Path) -> None:
    path = write(tmp_path / "BTCUSDT-1m.csv", ["1,2,3"], None)
    with pytest.raises(DataError, match="line 1: 3 columns and no header"):
        read_market_file(path)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT-1m.csv").write_bytes(b"")
    with pytest.raises(DataError, match="holds no rows"):
        read_market_file(tmp_path / "BTCUSDT-1m.csv")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.csv: cannot be read: No such file"):
        read_market_file(tmp_path / "nowhere.csv")


def test_funding_is_read(tmp_path: Path) -> None:
    found = read_market_file(ROOT / "data" / "funding" / "BTCUSDT-8h.parquet")
    assert isinstance(found, FundingFile)
    assert (found.symbol, found.interval_ms, found.rates[0], len(found.time_ms)) == (
        "BTCUSDT",
        480 * MINUTE,
        -1.1e-07,
        30,
    )
    lines = [f"{T0 + 7},8,0.0001", f"{T0 + 480 * MINUTE},8,-0.0002"]
    path = write(
        tmp_path / "BTCUSDT-fundingRate-2025-06.csv", lines, "calc_time,funding_interval_hours,last_funding_rate"
    )
    found = read_market_file(path)
    assert isinstance(found, FundingFile)
    assert (found.rates.tolist(), found.marks_usdt) == ([0.0001, -0.0002], None)


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_the_interval_of_funding_is_read_from_the_file(tmp_path: Path, hours: int) -> None:
    """From its column where it has one, else from its times; a settlement that is missing changes neither."""
    times = [T0 + 3 + n * hours * 60 * MINUTE for n in range(9) if n != 4]
    named = write(
        tmp_path / "BTCUSDT-fundingRate-2025-06.csv",
        [f"{time_ms},{hours},0.0001" for time_ms in times],
        "calc_time,funding_interval_hours,last_funding_rate",
    )
    plain = write(
        tmp_path / "BTCUSDT-rates.csv", [f"{time_ms},0.0001" for time_ms in times], "funding_time,funding_rate"
    )
    for path in (named, plain):
        found = read_market_file(path)
        assert isinstance(found, FundingFile)
        assert found.interval_ms == hours * 60 * MINUTE
        given = read_market_file(path, interval="2h")
        assert isinstance(given, FundingFile)
        assert given.interval_ms == 120 * MINUTE


def test_funding_whose_interval_changes_is_listed_with_the_longest(tmp_path: Path) -> None:
    lines = [f"{T0},8,0.1", f"{T0 + 480 * MINUTE},8,0.1", f"{T0 + 720 * MINUTE},4,0.1"]
    path = write(tmp_path / "BTCUSDT-x.csv", lines, "calc_time,funding_interval_hours,last_funding_rate")
    found = read_market_file(path)
    assert isinstance(found, FundingFile)
    assert found.interval_ms == 480 * MINUTE
    one = write(tmp_path / "BTCUSDT-y.csv", [f"{T0},0.1"], "funding_time,funding_rate")
    found = read_market_file(one)
    assert isinstance(found, FundingFile)
    assert found.interval_ms == 480 * MINUTE


@pytest.mark.parametrize("hours", ["0", "-4", "2.5", "48"])
def test_a_funding_interval_that_cannot_be_is_named(tmp_path: Path, hours: str) -> None:
    lines = [f"{T0},8,0.1", f"{T0 + 480 * MINUTE},{hours},0.1"]
    path = write(tmp_path / "BTCUSDT-x.csv", lines, "calc_time,funding_interval_hours,last_funding_rate")
    with pytest.raises(
        DataError, match=r"BTCUSDT-x\.csv: line 3: funding_interval_hours .* is no whole number of hours"
    ):
        read_market_file(path)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (f"{T0 + 1},1.5,100", "is no fraction"),
        (f"{T0 + 1},inf,100", "is no fraction"),
        (f"{T0 + 1},0.1,0", "mark price 0.0 is not above zero"),
        (f"{T0},0.1,100", "is there twice"),
    ],
)
def test_bad_funding_is_named(tmp_path: Path, bad: str, reason: str) -> None:
    path = write(tmp_path / "BTCUSDT-8h.csv", [f"{T0},0.1,100", bad], "funding_time,funding_rate,mark_price")
    with pytest.raises(DataError, match=f"BTCUSDT-8h.csv: line 3: .*{reason}"):
        read_market_file(path)


@pytest.mark.parametrize("symbol", ["btcusdt", "../BTCUSDT", "BTC USDT", "BTC/USDT", ""])
def test_a_symbol_that_is_given_must_be_one(tmp_path: Path, symbol: str) -> None:
    path = tmp_path / "x-1m.csv"
    path.write_text("open_time,open,high,low,close,volume\n1748995200000,1,1,1,1,1\n")
    with pytest.raises(DataError, match="is no symbol; write capital letters and digits, like BTCUSDT"):
        read_market_file(path, symbol=symbol)
