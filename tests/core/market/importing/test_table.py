"""Files that are small and unpack into much, or are not what they seem: refused in one line, with the mend."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.domain.errors import DataError
from core.home.memory_limit import memory_limit
from core.market.importing import CandleFile, FundingFile, arrow_forms, read_market_file, table
from core.market.importing.table import BATCH_ROWS, file_sha256

T0 = 1_748_995_200_000
MINUTE = 60_000
PRICES = ("open", "high", "low", "close", "volume")
HEADER = "open_time,open,high,low,close,volume"


def columns(rows: int, **changed: Any) -> dict[str, Any]:
    return {"open_time": T0 + MINUTE * np.arange(rows), **{name: np.full(rows, 2.0) for name in PRICES}, **changed}


def parquet_file(folder: Path, told: dict[str, Any], **options: Any) -> Path:
    path = folder / "BTCUSDT-1m.parquet"
    parquet.write_table(pa.table(told), path, **options)
    return path


def csv_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "BTCUSDT-1m.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as told:
        read_market_file(path)
    text = str(told.value)
    assert "\n" not in text
    assert text.startswith(path.name)
    assert text.endswith("; nothing was imported")
    assert told.value.exit_code == 2
    return text


def test_too_many_rows_are_refused_by_what_the_file_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is unpacked."""
    monkeypatch.setattr(table, "MAX_ROWS", 1_000)
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", lambda *_, **__: pytest.fail("it is unpacked"))
    text = refusal(parquet_file(tmp_path, columns(1_001)))
    told = "BTCUSDT-1m.parquet: has 1,001 rows, and 1,000 is the most; split it by time and import the parts"
    assert text.startswith(told)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_are_counted_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 4)
    monkeypatch.setattr(arrow_forms, "_check_size", lambda *_: None)
    if kind == "parquet":
        path = parquet_file(tmp_path, columns(5))
    else:
        path = csv_file(tmp_path, "\n".join([HEADER, *(f"{T0 + n * MINUTE},2,2,2,2,1" for n in range(5))]))
    assert "has more than 4 rows; split it by time" in refusal(path)


def test_what_unpacks_into_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet_file(tmp_path, columns(200_000), use_dictionary=False, compression="zstd")
    monkeypatch.setattr(table, "MAX_UNPACKED_BYTES", 1 << 22)
    assert "unpacks into 9 MiB, and 4 MiB is the most; split it" in refusal(path)


def test_what_grows_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet_file(tmp_path, columns(200_000), use_dictionary=False, compression="zstd")
    monkeypatch.setattr(table, "RATIO_FROM_BYTES", 1 << 20)
    monkeypatch.setattr(table, "MAX_UNPACKED_RATIO", 3)
    assert "unpacks into more than 3 times its size; split it" in refusal(path)


def test_columns_that_nobody_asks_for_are_neither_counted_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MAX_UNPACKED_BYTES", 1 << 20)
    told = columns(100, remarks=pa.array(["x" * 30_000] * 100))
    found = read_market_file(parquet_file(tmp_path, told, use_dictionary=False))
    assert isinstance(found, CandleFile)
    assert len(found.bars.close) == 100


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2"] * 9),
        pa.array(["2"] * 9).dictionary_encode(),
        pa.array([[2.0]] * 9),
        pa.array([{"a": 2.0}] * 9),
        pa.array([b"2"] * 9),
    ],
    ids=["text", "dictionary", "list", "struct", "bytes"],
)
def test_a_column_whose_values_may_be_as_long_as_they_like_is_refused(tmp_path: Path, column: pa.Array) -> None:
    assert "the column close holds" in refusal(parquet_file(tmp_path, columns(9, close=column)))


def test_a_file_is_read_in_batches(tmp_path: Path) -> None:
    rows = 2 * BATCH_ROWS + 7
    found = read_market_file(parquet_file(tmp_path, columns(rows)))
    assert isinstance(found, CandleFile)
    assert found.bars.open_time_ms.tolist() == [T0 + n * MINUTE for n in range(rows)]
    bad = np.full(rows, 2.0)
    bad[rows - 3] = -1
    with pytest.raises(DataError, match=f"row {rows - 2}: low -1.0|row {rows - 2}: price -1.0"):
        read_market_file(parquet_file(tmp_path, columns(rows, low=bad)))


def test_a_wrong_row_of_a_later_block_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_LINE_BYTES", 1_000)
    lines = [f"{T0 + n * MINUTE},{2 if n < 100 else 2.5},3,1,2,1" for n in range(500)]
    found = read_market_file(csv_file(tmp_path, "\n".join([HEADER, *lines, "", " "])))
    assert isinstance(found, CandleFile)
    assert (len(found.bars.open), found.bars.open[99], found.bars.open[100]) == (500, 2.0, 2.5)
    lines[400] = lines[400].replace("2.5", "two")
    assert "BTCUSDT-1m.csv: line 402: open 'two' is not a number" in refusal(
        csv_file(tmp_path, "\n".join([HEADER, *lines]))
    )
    lines[400] = ""
    assert "line 402: " in refusal(csv_file(tmp_path, "\n".join([HEADER, *lines])))


@pytest.mark.parametrize("first", [True, False])
def test_a_line_without_an_end_is_refused(tmp_path: Path, first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_LINE_BYTES", 1 << 20)
    endless = b"9" * (3 << 20)
    content = endless if first else f"{HEADER}\n{T0},2,2,2,2,1\n".encode() + endless
    assert "a line is longer than 1 MiB; correct the file" in refusal(csv_file(tmp_path, content))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEADER)
    os.truncate(path, table.MAX_FILE_BYTES + 1)
    assert "is larger than 1,024 MiB; split it by time" in refusal(path)
    with pytest.raises(DataError, match="is larger than"):
        file_sha256(path)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.csv"
    os.mkfifo(path)
    with pytest.raises(DataError, match="is no plain file; correct the file"):
        read_market_file(path)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "has the column open twice" in refusal(csv_file(tmp_path, f"{HEADER},open\n{T0},2,2,2,2,1,2\n"))
    arrays = [pa.array(values) for values in columns(3).values()]
    doubled = pa.Table.from_arrays([*arrays, arrays[1]], names=[*columns(3), "open"])
    path = tmp_path / "BTCUSDT-1m.parquet"
    parquet.write_table(doubled, path)
    assert "has the column open twice" in refusal(path)


def packed(kind: str) -> bytes:
    inner = f"{HEADER}\n{T0},2,2,2,2,1\n".encode()
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("../../BTCUSDT-1m.csv", *(f"{n}.csv" for n in range(50))):
                archive.writestr(name, inner)
        return buffer.getvalue()
    return gzip.compress(gzip.compress(inner))


@pytest.mark.parametrize("kind", ["zip", "gz"])
@pytest.mark.parametrize("suffix", ["", ".csv", ".parquet"])
def test_nothing_is_written_where_an_archive_lies(tmp_path: Path, kind: str, suffix: str) -> None:
    """By whatever name it comes, whatever its members are called: one of many files, or packed twice, is refused."""
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    path = folder / f"BTCUSDT-1m.csv.{kind}{suffix}"
    path.write_bytes(packed(kind))
    with pytest.raises(DataError) as told:
        read_market_file(path)
    assert str(told.value).startswith(path.name)
    assert "\n" not in str(told.value)
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == [path]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_a_told_error(tmp_path: Path, seed: int) -> None:
    """Bytes turned and cut anywhere: what is left of it is read or refused, and nothing else."""
    chance = np.random.default_rng(seed)
    path = parquet_file(tmp_path, columns(300), compression="zstd" if seed % 2 else "none")
    content = bytearray(path.read_bytes())
    for place in chance.integers(0, len(content), 1 + seed % 5):
        content[place] = int(chance.integers(0, 256))
    path.write_bytes(content[: len(content) - (seed % 3) * 50])
    found = outcome(path)
    assert not isinstance(found, str) or "\n" not in found


def outcome(path: Path) -> CandleFile | FundingFile | str:
    try:
        with memory_limit(1 << 31):
            return read_market_file(path)
    except DataError as error:
        return str(error)


def test_a_file_that_lies_about_its_size_meets_the_limit_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 8_000_000
    path = parquet_file(tmp_path, columns(rows), compression="zstd", row_group_size=rows)
    monkeypatch.setattr(table, "MAX_ROWS", 10 * rows)
    monkeypatch.setattr(arrow_forms, "_check_size", lambda *_: None)
    with memory_limit(1 << 26):
        text = refusal(path)
    assert "unpacks into more memory than an import may use; split it" in text
