"""The forms in which people have their files: as pandas, Python's own packers, ccxt and freqtrade write them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domain.errors import DataError
from core.home.memory_limit import memory_limit
from core.market.importing import CandleFile, FundingFile, read_market_file, table

T0 = 1_735_689_600_000
MINUTE = 60_000
ROWS = 300
PRICES = ["open", "high", "low", "close", "volume"]


def frame(rows: int = ROWS) -> pd.DataFrame:
    """As an exchange publishes it: times in milliseconds, twelve columns."""
    chance = np.random.default_rng(7)
    close = 100 + chance.integers(-300, 300, rows) / 100
    opened = np.r_[100.0, close[:-1]]
    told = {
        "open_time": T0 + MINUTE * np.arange(rows),
        "open": opened,
        "high": np.round(np.maximum(opened, close) + 0.1, 2),
        "low": np.round(np.minimum(opened, close) - 0.1, 2),
        "close": close,
        "volume": chance.integers(1, 99_999, rows) / 1_000,
        "close_time": T0 + MINUTE * np.arange(1, rows + 1) - 1,
        "quote_volume": close,
        "count": 10,
        "taker_buy_volume": 1.5,
        "taker_buy_quote_volume": 2.5,
        "ignore": 0,
    }
    return pd.DataFrame(told)


def short(rows: int = ROWS) -> pd.DataFrame:
    return frame(rows)[["open_time", *PRICES]]


def dated(rows: int = ROWS) -> pd.DataFrame:
    told = short(rows)
    told["date"] = pd.to_datetime(told.pop("open_time"), unit="ms", utc=True)
    return told[["date", *PRICES]]


def zipped(name: str, content: bytes, **others: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for inner, its in {name: content, **others}.items():
            archive.writestr(zipfile.ZipInfo(inner), its, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def csv(told: pd.DataFrame, **how: object) -> bytes:
    text = told.to_csv(index=False, **how)
    assert isinstance(text, str)
    return text.encode()


def feather(told: pd.DataFrame, **how: object) -> bytes:
    buffer = io.BytesIO()
    told.to_feather(buffer, **how)
    return buffer.getvalue()


def parquet(told: pd.DataFrame, **how: object) -> bytes:
    buffer = io.BytesIO()
    told.to_parquet(buffer, **how)
    return buffer.getvalue()


def arrays(told: pd.DataFrame, **how: object) -> bytes:
    return json.dumps([[int(row[0]), *row[1:]] for row in told.to_numpy().tolist()], **how).encode()  # type: ignore[arg-type]


def objects(told: pd.DataFrame, names: dict[str, str]) -> bytes:
    return told.rename(columns=names).to_json(orient="records").encode()


def outcome(path: Path) -> CandleFile | FundingFile | str:
    try:
        with memory_limit(1 << 31):
            return read_market_file(path)
    except DataError as error:
        return str(error)


FORMS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gz": ("BTCUSDT-1m.csv.gz", lambda: gzip.compress(csv(frame(), header=False))),
    "gz of several parts": (
        "BTCUSDT-1m.csv.gz",
        lambda: gzip.compress(csv(frame()[:100])) + gzip.compress(csv(frame()[100:], header=False)),
    ),
    "zip": ("BTCUSDT-1m-2025-01.zip", lambda: zipped("BTCUSDT-1m-2025-01.csv", csv(frame(), header=False))),
    "zip that names nothing": ("download.zip", lambda: zipped("x/BTCUSDT-1m.csv", csv(frame()))),
    "zip of a Mac": (
        "BTCUSDT-1m.zip",
        lambda: zipped("BTCUSDT-1m.csv", csv(frame()), **{"__MACOSX/._BTCUSDT-1m.csv": b"x"}),
    ),
    "semicolons": ("BTCUSDT-1m.csv", lambda: csv(frame(), sep=";")),
    "tabs": ("BTCUSDT-1m.tsv", lambda: csv(frame(), sep="\t")),
    "semicolons without header": ("BTCUSDT-1m.csv", lambda: csv(frame(), sep=";", header=False)),
    "quotes": ("BTCUSDT-1m.csv", lambda: csv(frame(), quoting=1)),
    "byte order mark": ("BTCUSDT-1m.csv", lambda: b"\xef\xbb\xbf" + csv(frame())),
    "byte order mark without header": ("BTCUSDT-1m.csv", lambda: b"\xef\xbb\xbf" + csv(frame(), header=False)),
    "CRLF": ("BTCUSDT-1m.csv", lambda: csv(frame(), lineterminator="\r\n")),
    "CR": ("BTCUSDT-1m.csv", lambda: csv(frame(), lineterminator="\r")),
    "empty lines behind": ("BTCUSDT-1m.csv", lambda: csv(frame()) + b"\r\n \r\n\n"),
    "UTF-16": ("BTCUSDT-1m.csv", lambda: csv(frame()).decode().encode("utf-16")),
    "UTF-16 without mark": ("BTCUSDT-1m.csv", lambda: csv(frame()).decode().encode("utf-16-le")),
    "UTF-16, other end": ("BTCUSDT-1m.csv", lambda: b"\xfe\xff" + csv(frame()).decode().encode("utf-16-be")),
    "UTF-16, tabs, CRLF, gz": (
        "BTCUSDT-1m.csv.gz",
        lambda: gzip.compress(csv(frame(), sep="\t", lineterminator="\r\n").decode().encode("utf-16")),
    ),
    "Parquet": ("BTCUSDT-1m.parquet", lambda: parquet(frame())),
    "Parquet by dates": ("BTCUSDT-1m.parquet", lambda: parquet(dated())),
    "Parquet by its index": ("BTCUSDT-1m.parquet", lambda: parquet(dated().set_index("date"))),
    "Parquet by an index without a name": (
        "BTCUSDT-1m.parquet",
        lambda: parquet(dated().set_index("date").rename_axis(None)),
    ),
    "Feather": ("BTC_USDT_USDT-1m-futures.feather", lambda: feather(dated(), compression="lz4")),
    "Feather without packing": ("BTCUSDT-1m.feather", lambda: feather(frame(), compression="uncompressed")),
    "Feather in parts": ("BTCUSDT-1m.feather", lambda: feather(frame(), chunksize=70)),
    "ccxt": ("BTCUSDT-1m.json", lambda: arrays(short())),
    "freqtrade": ("BTC_USDT_USDT-1m-futures.json", lambda: arrays(short(), separators=(",", ":"))),
    "freqtrade, gz": ("BTC_USDT_USDT-1m-futures.json.gz", lambda: gzip.compress(arrays(short()))),
    "JSON with line ends": ("BTCUSDT-1m.json", lambda: b"\n " + arrays(short(), indent=2) + b"\n"),
    "JSON of twelve": ("BTCUSDT-1m.json", lambda: arrays(frame())),
    "JSON of texts": (
        "BTCUSDT-1m.json",
        lambda: json.dumps(short().astype(object).map(str).to_numpy().tolist()).encode(),
    ),
    "JSON of objects": ("BTCUSDT-1m.json", lambda: objects(short(), {"open_time": "openTime"})),
    "JSON of dates": (
        "BTCUSDT-1m.json",
        lambda: dated().to_json(orient="records", date_format="iso").encode(),
    ),
    "JSON, an object a line": ("BTCUSDT-1m.jsonl", lambda: short().to_json(orient="records", lines=True).encode()),
    "data.csv": ("BTCUSDT_1m_data.csv", lambda: csv(dated().rename(columns=str.title))),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_taken_as_it_is(tmp_path: Path, form: str) -> None:
    name, make = FORMS[form]
    path = tmp_path / name
    path.write_bytes(make())
    found = read_market_file(path)
    assert isinstance(found, CandleFile)
    assert (found.bars.symbol, found.bars.interval_ms, found.kind, found.notes) == ("BTCUSDT", MINUTE, "candles", ())
    expected = frame()
    assert found.bars.open_time_ms.tolist() == expected.open_time.tolist()
    for column in PRICES:
        assert getattr(found.bars, column).tolist() == expected[column].tolist()
    assert found.origin.sha256 == table.file_sha256(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_taken_in_small_pieces(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a large file is: nothing depends on where a piece ends."""
    monkeypatch.setattr(table, "MAX_LINE_BYTES", 1_000)
    test_a_form_is_taken_as_it_is(tmp_path, form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_form_that_ends_too_early_is_told_or_shorter(tmp_path: Path, form: str, cut: float) -> None:
    """A row that was cut is never taken for another; a text that ends behind a row is a shorter one."""
    name, make = FORMS[form]
    content = make()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * cut)])
    found = outcome(path)
    if isinstance(found, str):
        assert found.startswith(name)
        assert "\n" not in found
        return
    assert isinstance(found, CandleFile)
    rows = len(found.bars.close)
    assert 0 < rows < ROWS
    assert found.bars.close[: rows - 1].tolist() == frame().close[: rows - 1].tolist()


TIMES: dict[str, Callable[[pd.Series], pd.Series]] = {
    "s": lambda ms: ms // 1_000,
    "s with a point": lambda ms: (ms // 1_000).astype(float),
    "ms": lambda ms: ms,
    "ms with a point": lambda ms: ms.map(lambda one: f"{one}.0"),
    "us": lambda ms: ms * 1_000,
    "ns": lambda ms: ms * 1_000_000,
    "ISO": lambda ms: pd.to_datetime(ms, unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S"),
    "ISO without seconds": lambda ms: pd.to_datetime(ms, unit="ms").dt.strftime("%Y-%m-%d %H:%M"),
    "ISO with microseconds": lambda ms: pd.to_datetime(ms, unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S.%f"),
    "Z": lambda ms: pd.to_datetime(ms, unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "UTC": lambda ms: pd.to_datetime(ms, unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "zone": lambda ms: pd.to_datetime(ms, unit="ms", utc=True).astype(str),
    "another zone": lambda ms: pd.to_datetime(ms, unit="ms", utc=True).dt.tz_convert("Asia/Kolkata").astype(str),
    "zone without a colon": lambda ms: pd.to_datetime(ms + 7_200_000, unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S+0200"),
}


@pytest.mark.parametrize("unit", TIMES)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_times_are_told_in_any_usual_unit(tmp_path: Path, unit: str, form: str) -> None:
    told = short(5)
    told["open_time"] = TIMES[unit](told["open_time"])
    path = tmp_path / f"BTCUSDT-1m.{form}"
    path.write_bytes(csv(told) if form == "csv" else told.to_json(orient="records").encode())
    found = read_market_file(path)
    assert isinstance(found, CandleFile)
    assert found.bars.open_time_ms.tolist() == [T0 + n * MINUTE for n in range(5)]


@pytest.mark.parametrize(
    "time", ["01/02/2025 00:00", "2025-13-01 00:00", "2025-01-01 25:00", "1.735e12", "20250101", "0", "-1", "now"]
)
def test_what_may_be_another_time_is_none(tmp_path: Path, time: str) -> None:
    path = tmp_path / "BTCUSDT-1m.csv"
    path.write_text(f"time,open,high,low,close,volume\n{time},1,1,1,1,1\n")
    with pytest.raises(DataError, match=r"BTCUSDT-1m.csv: line 2: open_time .* (is not a whole number|is no time)"):
        read_market_file(path)


@pytest.mark.parametrize(
    "names",
    [
        "Open Time,Open,High,Low,Close,Volume",
        "OPENTIME,OPEN,HIGH,LOW,CLOSE,VOLUME",
        "openTime,openPrice,highPrice,lowPrice,closePrice,baseVolume",
        "timestamp,open,high,low,close,volume",
        "Date,Open,High,Low,Close,Volume",
        "datetime,o,h,l,c,v",
        "Unix,Open,High,Low,Close,Volume BTC",
        "ts,open,high,low,close,vol",
        ",Open,High,Low,Close,Volume",
    ],
)
def test_columns_have_usual_names_in_any_case(tmp_path: Path, names: str) -> None:
    path = tmp_path / "BTCUSDT-1m.csv"
    path.write_text(f"{names}\n{T0},2,4,1,3,7\n")
    bars = read_market_file(path).bars  # type: ignore[union-attr]
    assert [float(getattr(bars, name)[0]) for name in PRICES] == [2, 4, 1, 3, 7]


def test_the_volume_is_that_of_the_base_coin(tmp_path: Path) -> None:
    """`vol` counts contracts where `vol_ccy` stands beside it, and a volume in dollars is never taken."""
    path = tmp_path / "BTC-USDT-SWAP-1m.csv"
    path.write_text(
        f"instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time\nBTC-USDT-SWAP,2,4,1,3,700,7,14,{T0}\n"
    )
    found = read_market_file(path)
    assert isinstance(found, CandleFile)
    assert (found.bars.symbol, found.bars.volume.tolist()) == ("BTCUSDT", [7.0])
    path.write_text(f"open_time,open,high,low,close,Volume USDT\n{T0},2,4,1,3,700\n")
    with pytest.raises(DataError, match="lacks the columns volume"):
        read_market_file(path)


def test_funding_of_ccxt_and_of_an_exchange(tmp_path: Path) -> None:
    rows = [
        {"info": {"x": [1]}, "symbol": "BTC/USDT:USDT", "fundingRate": rate, "timestamp": T0 + n * 480 * MINUTE + n}
        for n, rate in enumerate((0.0001, -0.00002))
    ]
    path = tmp_path / "history.json"
    path.write_text(json.dumps(rows))
    found = read_market_file(path)
    assert isinstance(found, FundingFile)
    assert (found.symbol, found.rates.tolist()) == ("BTCUSDT", [0.0001, -0.00002])
    assert found.time_ms.tolist() == [T0, T0 + 480 * MINUTE + 1]
    raw = [{"symbol": "BTCUSDT", "fundingTime": T0, "fundingRate": "0.0001", "markPrice": "94000.5"}]
    path.write_text(json.dumps(raw))
    found = read_market_file(path)
    assert isinstance(found, FundingFile)
    assert found.marks_usdt is not None
    assert (found.rates.tolist(), found.marks_usdt.tolist()) == ([0.0001], [94000.5])


def test_funding_of_freqtrade_is_told_by_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT_USDT-8h-funding_rate.feather"
    told = dated(2)
    told["date"] = pd.to_datetime([T0, T0 + 480 * MINUTE], unit="ms", utc=True)
    told[PRICES] = [[0.0001, 0, 0, 0, 0], [-0.0002, 0, 0, 0, 0]]
    path.write_bytes(feather(told))
    found = read_market_file(path)
    assert isinstance(found, FundingFile)
    assert (found.symbol, found.rates.tolist()) == ("BTCUSDT", [0.0001, -0.0002])


LINE = f"{T0},2,4,1,3,7"
HEADER = "open_time,open,high,low,close,volume"
WRONG: dict[str, tuple[str, bytes, str]] = {
    "decimal commas": (
        "BTCUSDT-1m.csv",
        f"{HEADER.replace(',', ';')}\n{T0};2,5;4;1;3;7".encode(),
        "line 2: open '2,5' is not a number; write a point for the decimal comma",
    ),
    "no zip": ("BTCUSDT-1m.zip", LINE.encode(), "is not a zip archive as its name says"),
    "no gzip": ("BTCUSDT-1m.csv.gz", LINE.encode(), "is not gzip as its name says"),
    "two files": (
        "BTCUSDT-1m.zip",
        zipped("a.csv", LINE.encode(), **{"b.csv": b"x"}),
        "holds 2 files, and one is read; unpack it",
    ),
    "an empty archive": ("BTCUSDT-1m.zip", b"PK\x05\x06" + bytes(18), "holds 0 files"),
    "a workbook": (
        "BTCUSDT-1m.xlsx",
        zipped("[Content_Types].xml", b"x", **{"xl/a.xml": b"x"}),
        "is a workbook; save the sheet as CSV",
    ),
    "packed twice": ("BTCUSDT-1m.csv.gz", gzip.compress(gzip.compress(LINE.encode())), "is no text"),
    "Parquet, packed": ("BTCUSDT-1m.zip", zipped("a.parquet", parquet(frame(3))), "holds Parquet that is packed once"),
    "Feather, packed": ("BTCUSDT-1m.gz", gzip.compress(feather(frame(3))), "holds Feather that is packed once"),
    "bzip2": ("BTCUSDT-1m.csv.bz2", b"BZh91AY", "is bzip2, which is not read here; unpack"),
    "a picture": ("BTCUSDT-1m.png", b"\x89PNG\r\n\x1a\n\0\0", "is a picture, which is not read here"),
    "no Feather": ("BTCUSDT-1m.feather", LINE.encode(), "cannot be read as feather"),
    "old Feather": ("BTCUSDT-1m.feather", b"FEA1\0\0\0\0", "is Feather of version 1; write it again"),
    "bytes": ("BTCUSDT-1m.csv", b"abc\0\0def\n1", "is no text, nor in another form"),
    "Latin-1": ("BTCUSDT-1m.csv", "zeit,öffnung\n1,2".encode("latin-1"), "is not UTF-8 text"),
    "half a letter": ("BTCUSDT-1m.csv", b"\xff\xfeo\0p\0e", "is not UTF-16"),
    "a page": (
        "BTCUSDT-1m.csv",
        b"<html>\n<body>404</body>",
        "line 1: is a web page or XML, and no table",
    ),
    "trades put together": (
        "BTCUSDT-1m.csv",
        f"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n1,2,3,6,7,{T0},true".encode(),
        "line 1: lacks the columns open, high, low, close, volume",
    ),
    "trades without header": (
        "BTCUSDT-1m.csv",
        f"26129,100.5,0.1,27781,27781,{T0},true".encode(),
        "line 1: open_time 26129 is no time",
    ),
    "a row that is none": ("BTCUSDT-1m.json", f"[[{LINE}],7]".encode(), "row 2: is no row of 6 values"),
    "rows of another width": ("BTCUSDT-1m.json", f"[[{LINE}],[{LINE},1]]".encode(), "row 2: is no row of 6 values"),
    "nine values": ("BTCUSDT-1m.json", f"[[{LINE},1,1,1]]".encode(), "row 1: has 9 values without names"),
    "null": ("BTCUSDT-1m.json", f"[[{T0},2,4,1,null,7]]".encode(), "row 1: close is missing or not a number"),
    "NaN": ("BTCUSDT-1m.json", f"[[{T0},2,4,1,NaN,7]]".encode(), "row 1: close is missing or not a number"),
    "a list within": ("BTCUSDT-1m.json", f"[[{T0},2,4,1,[3],7]]".encode(), "row 1: close '[3]' is not a number"),
    "true": ("BTCUSDT-1m.json", f"[[{T0},2,4,1,true,7]]".encode(), "row 1: close 'True' is not a number"),
    "columns as objects": (
        "BTCUSDT-1m.json",
        short(2).to_json().encode(),
        "row 1: holds a column a name and no rows; write an array of rows",
    ),
    "no end": ("BTCUSDT-1m.json", f"[[{LINE}],".encode(), "row 2: the file ends before its array does"),
    "two arrays": ("BTCUSDT-1m.json", f"[[{LINE}]] [1]".encode(), "row 2: something stands behind the end"),
    "half a row": ("BTCUSDT-1m.json", f"[[{LINE}],[1,".encode(), "row 2: is no JSON of at most 1 MiB"),
    "deep": ("BTCUSDT-1m.json", b"[" * 100_000, "row 1: is no JSON of at most 1 MiB"),
    "a huge number": (
        "BTCUSDT-1m.json",
        f"[[{T0},2,4,1,{'9' * 5_000},7]]".encode(),
        "row 1: is no JSON of at most 1 MiB",
    ),
    "a time beyond all": ("BTCUSDT-1m.json", f"[[{'9' * 30},2,4,1,3,7]]".encode(), "row 1: open_time '999"),
    "half a surrogate pair as a time": (
        "BTCUSDT-1m.json",
        f'[[{T0},2,4,1,3,7],["\\ud800\\u001b[2J",2,4,1,3,7]]'.encode(),
        r"row 2: open_time '\ud800\x1b[2J' is no text; correct the file",
    ),
    "half a surrogate pair as a symbol": (
        "BTCUSDT-1m.json",
        f'[{{"symbol":"\\udfff","open_time":{T0},"open":2,"high":4,"low":1,"close":3,"volume":7}}]'.encode(),
        r"row 1: symbol '\udfff' is no text; correct the file",
    ),
    "nothing": ("BTCUSDT-1m.json", b"[]", "holds no rows"),
    "white space": ("BTCUSDT-1m.csv", b"\n \r\n", "holds no rows"),
    "two symbols": (
        "BTCUSDT-1m.csv",
        f"symbol,{HEADER}\nBTCUSDT,{LINE}\nETHUSDT,{LINE}".encode(),
        "line 3: symbol is 'ETHUSDT' and 'BTCUSDT' before: one file holds one symbol",
    ),
    "two symbols in Parquet": (
        "BTCUSDT-1m.parquet",
        parquet(frame(2).assign(symbol=["BTCUSDT", "ETHUSDT"])),
        "holds more than one symbol, BTCUSDT and ETHUSDT among them",
    ),
    "another symbol": (
        "BTCUSDT-1m.csv",
        f"symbol,{HEADER}\nETHUSDT,{LINE}".encode(),
        "its rows are of ETHUSDT and its name says BTCUSDT",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_in_one_line(tmp_path: Path, what: str) -> None:
    name, content, reason = WRONG[what]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as told:
        read_market_file(path)
    text = str(told.value)
    assert text.startswith(f"{name}: {reason}")
    assert "\n" not in text
    assert len(text) < 400
    assert told.value.exit_code == 2
    assert list(tmp_path.iterdir()) == [path]


def test_what_needs_a_password_is_told(tmp_path: Path) -> None:
    content = bytearray(zipped("BTCUSDT-1m.csv", csv(frame(3))))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "BTCUSDT-1m.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match="needs a password; unpack it"):
        read_market_file(path)


def test_a_changed_byte_within_an_archive_is_told(tmp_path: Path) -> None:
    for make, name in (
        (lambda: zipped("a.csv", csv(frame())), "BTCUSDT-1m.zip"),
        (FORMS["gz"][1], "BTCUSDT-1m.csv.gz"),
    ):
        content = bytearray(make())
        content[len(content) // 2] ^= 0x10
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_market_file(tmp_path / name)


@pytest.mark.parametrize("kind", ["gz", "zip"])
@pytest.mark.parametrize("bound", ["MAX_UNPACKED_BYTES", "MAX_UNPACKED_RATIO"])
def test_what_unpacks_into_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, bound: str
) -> None:
    """A line of a year of the same candle a hundred times over is a few kilobytes."""
    content = f"{HEADER}\n".encode() + f"{LINE}\n".encode() * 400_000
    path = tmp_path / f"BTCUSDT-1m.{kind}"
    path.write_bytes(gzip.compress(content) if kind == "gz" else zipped("BTCUSDT-1m.csv", content))
    monkeypatch.setattr(table, "MAX_LINE_BYTES", 1 << 16)
    monkeypatch.setattr(table, "RATIO_FROM_BYTES", 1 << 20)
    if bound == "MAX_UNPACKED_BYTES":
        monkeypatch.setattr(table, bound, 1 << 20)
    told = {"MAX_UNPACKED_BYTES": "more than 1 MiB", "MAX_UNPACKED_RATIO": "more than 100 times its size"}[bound]
    with pytest.raises(DataError, match=f"BTCUSDT-1m.{kind}: unpacks into {told}; split it by time"):
        read_market_file(path)


def test_feather_that_unpacks_into_too_much_meets_the_limit_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 8_000_000
    told = pd.DataFrame({"open_time": T0 + MINUTE * np.arange(rows), **{name: np.full(rows, 2.0) for name in PRICES}})
    path = tmp_path / "BTCUSDT-1m.feather"
    told.to_feather(path, compression="zstd", chunksize=rows)
    monkeypatch.setattr(table, "MAX_ROWS", 10 * rows)
    monkeypatch.setattr(table, "MAX_UNPACKED_BYTES", 1 << 26)
    with pytest.raises(DataError, match="unpacks into more memory than an import may use; split it"):
        read_market_file(path)


@pytest.mark.parametrize("form", ["Feather", "Feather in parts", "gz", "zip", "ccxt", "JSON of objects"])
@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_is_read_or_told(tmp_path: Path, form: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    name, make = FORMS[form]
    content = bytearray(make())
    for place in chance.integers(0, len(content), 1 + seed % 5):
        content[place] = int(chance.integers(0, 256))
    path = tmp_path / name
    path.write_bytes(content)
    found = outcome(path)
    assert not isinstance(found, str) or "\n" not in found


def test_rows_of_ccxt_are_taken_one_a_line(tmp_path: Path) -> None:
    rows = short().to_numpy().tolist()
    (tmp_path / "BTCUSDT-1m.jsonl").write_text("\n".join(json.dumps([int(row[0]), *row[1:]]) for row in rows))
    taken = read_market_file(tmp_path / "BTCUSDT-1m.jsonl")
    assert isinstance(taken, CandleFile)
    assert taken.bars.open_time_ms.tolist() == short()["open_time"].tolist()
    assert taken.bars.close.tolist() == short()["close"].tolist()


def test_the_newest_first_is_told_as_out_of_order_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "BTCUSDT.csv").write_bytes(csv(short()[::-1]))
    with pytest.raises(DataError, match=r"line 3: .* not in order; .*--sort"):
        read_market_file(tmp_path / "BTCUSDT.csv")
    taken = read_market_file(tmp_path / "BTCUSDT.csv", sort=True)
    assert isinstance(taken, CandleFile)
    assert taken.bars.interval_ms == MINUTE


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("05.01.2025 00:05", "line 7: .* another way"),
        ("2025-13-01 00:05:00", "line 7: .* another way"),
        ("2025-01-01 00:05:00Z", "line 7: .* another way"),
        ("1735689900000", "line 7: .* another way"),
    ],
)
def test_a_date_that_is_none_is_told_at_its_own_line(tmp_path: Path, bad: str, reason: str) -> None:
    told = short()
    told["open_time"] = pd.to_datetime(told["open_time"], unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S")
    told.loc[5, "open_time"] = bad
    (tmp_path / "BTCUSDT-1m.csv").write_bytes(csv(told))
    with pytest.raises(DataError, match=reason):
        read_market_file(tmp_path / "BTCUSDT-1m.csv")


def test_how_a_date_is_written_is_told_where_it_is_written_otherwise(tmp_path: Path) -> None:
    told = short()
    told["open_time"] = pd.to_datetime(told["open_time"], unit="ms").dt.strftime("%d.%m.%Y %H:%M")
    (tmp_path / "BTCUSDT-1m.csv").write_bytes(csv(told))
    with pytest.raises(DataError, match=r"line 2: .* is no time .*; write 2025-01-31 23:59:00"):
        read_market_file(tmp_path / "BTCUSDT-1m.csv")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (csv(short(), sep="|"), r"line 1: is separated by \|; write commas"),
        (b"https://www.example.com\n" + csv(short()), "line 1: has neither comma, semicolon nor tab"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "line 1: is a web page"),
    ],
    ids=["pipes", "a title", "a page"],
)
def test_a_first_line_without_columns_is_told_for_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "BTCUSDT-1m.csv").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_market_file(tmp_path / "BTCUSDT-1m.csv")


ROW = '[1735689600000,"1","2","1","2","3"]'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'{{"data":[{ROW}]}}', "row 1: its rows stand within an object, under data; write that array alone"),
        (f'{{"retCode":0,"retMsg":"OK","result":{{"symbol":"B","list":[{ROW}]}}}}', "under result.list;"),
        (f'{{"code":"0","msg":"","data":[\n {ROW},{ROW}]}}', "under data;"),
        (f'{{"code":"0","msg":"","data":[{",".join([ROW] * 40_000)}]}}', "under data;"),
        (f'{{"BTCUSDT":[{ROW}],"ETHUSDT":[{ROW}]}}', "under BTCUSDT or ETHUSDT;"),
        ('[{"result":{"list":[{"open":1}]}}]', "under result.list;"),
        ('{"code":-1121,"msg":"Invalid symbol."}', "is the answer of an exchange that tells an error: Invalid symbol;"),
        ('{"retCode":10001,"retMsg":"Not supported","result":{},"time":1}', "tells an error: Not supported"),
        ('{"status":"error","err-msg":"invalid symbol"}', "tells an error: invalid symbol"),
        ('{"error":{"code":5,"message":"too many"}}', "tells an error: too many"),
        ('{"open":{"0":1.5},"high":{"0":2.5}}', "holds a column a name and no rows; write an array of rows"),
        ('{"t":[1735689600],"o":[1],"h":[2],"l":[1],"c":[2],"v":[3]}', "holds a column a name and no rows"),
    ],
)
@pytest.mark.parametrize("name", ["BTCUSDT-1m.json", "BTCUSDT-fundingRate.json"])
def test_json_that_is_no_list_of_rows_is_told_as_what_it_is(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    answer = outcome(path)
    assert isinstance(answer, str)
    assert said in answer
    assert answer.startswith(f"{name}: ")
    assert answer.endswith("nothing was imported")
    assert "\n" not in answer


def test_rows_may_hold_what_is_no_column_of_theirs(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.json"
    rows = [{"t": T0 + n * MINUTE, "o": 1, "h": 2, "l": 1, "c": 2, "v": 3, "msg": "x", "e": [[1]]} for n in (0, 1)]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert isinstance(outcome(path), CandleFile)
