"""Text with a row a line: separated by commas, semicolons or tabs, with a header or without."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from core.domain.errors import DataError
from core.market.importing import table
from core.market.importing.columns import DUMP_COLUMNS, known_columns, known_names
from core.market.importing.packing import pulled
from core.market.importing.table import MEND, Gathered, Origin, Table, Wanted, no_rows

_SEPARATORS = ",;\t"


def read_delimited(origin: Origin, stream: io.BufferedReader, wanted: Wanted, member: str) -> Table:
    """May raise pa.ArrowException and UnicodeDecodeError; DataError naming the line."""
    import pyarrow as pa

    first, rest = _first_line(origin.name, stream)
    text = first.decode()
    separator = max(_SEPARATORS, key=text.count)
    if text.strip() and separator not in text:
        raise DataError(f"{origin.name}: line 1: {_one_column(text)}; {MEND}")
    told = next(csv.reader([text], delimiter=separator), [])
    has_header = not re.match(r'"?[-+]?[0-9]', text)
    if not has_header:
        told, rest = _headerless(origin.name, len(told)), first + b"\n" + rest
    origin = replace(origin, first_line=2 if has_header else 1)
    places = known_columns(origin.name, told, wanted.names)
    gathered = Gathered(origin, wanted, member)
    rows = _without_end(rest, stream)
    if not rows.peek(1):
        raise no_rows(origin.name)
    try:
        for batch in _batches(rows, separator, len(told), list(places.values())) if places else ():
            gathered.take(batch.num_rows, {name: batch.column(f"{place}") for name, place in places.items()})
    except pa.ArrowInvalid as error:
        raise _error_of(origin, str(error)) from error
    return gathered.table(tuple(known_names(told)))


def _batches(rows: io.BufferedReader, separator: str, width: int, places: list[int]) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"{place}" for place in places]
    options = arrow_csv.ReadOptions(
        column_names=[f"{place}" for place in range(width)], use_threads=False, block_size=table.MAX_LINE_BYTES
    )
    # An empty line stays a row, so that line numbers are the file's own.
    parsing = arrow_csv.ParseOptions(delimiter=separator, ignore_empty_lines=False)
    as_text = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), include_columns=names, strings_can_be_null=True
    )
    with arrow_csv.open_csv(pa.PythonFile(rows, mode="r"), options, parsing, as_text) as reader:
        yield from reader


def _error_of(origin: Origin, reason: str) -> DataError:
    reason = " ".join(reason.split())
    if "straddling object straddles" in reason:
        return DataError(f"{origin.name}: a line is longer than {table.MAX_LINE_BYTES >> 20} MiB; {MEND}")
    row = re.search(r"Row #([0-9]+): (.*)", reason)
    if row:
        return origin.error(int(row[1]) - 1, row[2])
    return DataError(f"{origin.name}: cannot be read as csv: {reason}; {MEND}")


def _first_line(name: str, stream: io.BufferedReader) -> tuple[bytes, bytes]:
    """Without its end, and what was read behind it."""
    head = stream.read(table.MAX_LINE_BYTES + 1)
    end = re.search(rb"\r\n|\n|\r", head)
    if end is None and len(head) > table.MAX_LINE_BYTES:
        raise DataError(f"{name}: a line is longer than {table.MAX_LINE_BYTES >> 20} MiB; {MEND}")
    return (head[: end.start()], head[end.end() :]) if end else (head, b"")


def _one_column(text: str) -> str:
    """What a first line is in which nothing separates columns."""
    if text.lstrip().startswith("<"):
        return "is a web page or XML, and no table"
    if "|" in text:
        return "is separated by |; write commas, semicolons or tabs"
    return "has neither comma, semicolon nor tab; begin the file with the line that names the columns"


def _without_end(first: bytes, stream: io.BufferedReader) -> io.BufferedReader:
    """`first` and what comes behind it, without white space behind all of it."""
    left, held = first, b""

    def pull() -> bytes:
        nonlocal left, held
        while content := left or stream.read(table.MAX_LINE_BYTES):
            left = b""
            solid = content.rstrip()
            if not solid:
                held += content
                if len(held) > table.MAX_LINE_BYTES:
                    held = held[: table.MAX_LINE_BYTES]
                continue
            told, held = held + solid, content[len(solid) :]
            return told
        return b""

    return pulled(pull)


def _headerless(name: str, width: int) -> list[str]:
    if not 6 <= width <= len(DUMP_COLUMNS):
        raise DataError(f"{name}: line 1: {width} columns and no header; add a line with the column names")
    return list(DUMP_COLUMNS[:width])
