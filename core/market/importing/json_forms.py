"""JSON: an array of rows, or a row a line; a row is an array as ccxt and freqtrade have candles, or an object."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from core.domain.errors import DataError
from core.market.importing import table
from core.market.importing.columns import DUMP_COLUMNS, known_columns, known_names
from core.market.importing.json_answers import told_instead, told_of_head
from core.market.importing.table import BATCH_ROWS, Gathered, Origin, Table, Wanted, no_rows
from core.market.importing.values import Wrong

_ROW_WIDTHS = (6, 7, 12)
"""Of ccxt, and of raw answers whose first six columns are the same; others count the volume in something else."""
_OF_ROWS = re.compile(r"\[\s*([\[{\]]|$)")
_BETWEEN = re.compile(r"[\s,]*")


def read_json(origin: Origin, stream: io.BufferedReader, wanted: Wanted, member: str) -> Table:
    """Raises DataError naming the row."""
    gathered = Gathered(origin, wanted, member)
    names: Sequence[str] = ()
    places: dict[str, int] = {}
    for batch in _in_batches(_rows(origin, io.TextIOWrapper(stream, "utf-8", newline=""))):
        if not names:
            names = _names(origin, batch[0])
            places = known_columns(origin.name, names, wanted.names)
            _check_row(origin, batch[0], not wanted.numbers.isdisjoint(places))
            form = type(batch[0])
        _check_form(origin, gathered.rows, batch, form, len(names))
        if form is dict:
            columns = {name: [row.get(names[place]) for row in batch] for name, place in places.items()}
        else:
            columns = {name: [row[place] for row in batch] for name, place in places.items()}
        try:
            told = {name: _column(name, values) for name, values in columns.items()}
        except Wrong as wrong:
            raise origin.error(gathered.rows + wrong.index, wrong.reason) from None
        gathered.take(len(batch), told)
    if not names:
        raise no_rows(origin.name)
    return gathered.table(tuple(known_names(names)))


def _rows(origin: Origin, text: io.TextIOWrapper) -> Iterator[Any]:
    """One by one, so that never more than one and what is read at a time is in memory."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    left, count, has_ended = text.read(table.MAX_LINE_BYTES).lstrip(), 0, False
    place = int(in_array := _OF_ROWS.match(left) is not None)
    while True:
        # As long as the file goes on, more than the longest row stands in `left`.
        if not has_ended and len(left) - place <= table.MAX_LINE_BYTES:
            content = text.read(table.MAX_LINE_BYTES)
            left, place, has_ended = left[place:] + content, 0, not content
        place = _skipped(left, place)
        if place == len(left):
            if not has_ended:
                continue
            if in_array:
                raise origin.error(count, "the file ends before its array does")
            return
        if in_array and left[place] == "]":
            if left[place + 1 :].strip() or text.read().strip():
                raise origin.error(count, "something stands behind the end of the array")
            return
        try:
            row, place = decoder.raw_decode(left, place)
        except (ValueError, RecursionError) as error:
            if count == 0 and (said := told_of_head(left)):
                raise _no_row(origin, said) from None
            reason = f"is no JSON of at most {table.MAX_LINE_BYTES >> 20} MiB: {' '.join(str(error).split())}"
            raise origin.error(count, reason) from None
        yield row
        count += 1


def _skipped(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place


def _in_batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _names(origin: Origin, row: Any) -> Sequence[str]:
    if isinstance(row, dict):
        return tuple(row)
    if not isinstance(row, list):
        raise origin.error(0, f"{_short(row)} is no row; write an array of arrays or of objects")
    if len(row) not in _ROW_WIDTHS:
        widths = ", ".join(map(str, _ROW_WIDTHS))
        raise origin.error(0, f"has {len(row)} values without names; rows of {widths} are known; write objects")
    return DUMP_COLUMNS[: len(row)]


def _check_row(origin: Origin, row: Any, has_columns: bool) -> None:
    if isinstance(row, dict) and (said := told_instead(row, has_columns=has_columns)):
        raise _no_row(origin, said)


def _no_row(origin: Origin, said: str) -> DataError:
    return DataError(f"{origin.name}: row {origin.first_line}: {said}; nothing was imported")


def _check_form(origin: Origin, before: int, batch: list[Any], form: type, width: int) -> None:
    """Raises DataError where a row is of another form than the first one."""
    for index, row in enumerate(batch, before):
        if type(row) is not form or (isinstance(row, list) and len(row) != width):
            raise origin.error(index, f"is no row of {width} values like the first one: {_short(row)}")


def _column(name: str, values: list[Any]) -> Any:
    """Whole numbers as they are, everything else as its text, which is exact. Raises Wrong."""
    import pyarrow as pa

    if all(type(value) is int for value in values):
        try:
            return pa.array(values, pa.int64())
        except (pa.ArrowException, OverflowError):
            pass
    if all(type(value) is float for value in values):
        return pa.array(values, pa.float64())
    texts = [value if value is None or isinstance(value, str) else repr(value) for value in values]
    try:
        return pa.array([text or None for text in texts], pa.string())
    except UnicodeEncodeError as error:
        # JSON spells halves of surrogate pairs, too.
        index = next(index for index, text in enumerate(texts) if text == error.object)
        raise Wrong(index, f"{name} {_short(values[index])} is no text") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
