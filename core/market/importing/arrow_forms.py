"""Parquet and Feather, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from core.domain.errors import DataError
from core.home.memory_limit import memory_limit
from core.market.importing import table
from core.market.importing.columns import known_columns, known_names
from core.market.importing.table import BATCH_ROWS, MEND, Gathered, Origin, Table, Wanted, too_large

MAX_FOOTER_PARTS = 1_000_000
PARQUET_MAGIC = b"PAR1"
FEATHER_MAGIC = b"ARROW1"
ONE_EACH = "write one file for each and import those; nothing was imported"


def read_parquet(origin: Origin, file: BinaryIO, wanted: Wanted) -> Table:
    """May raise pa.ArrowException; DataError for what is too large and for a column of no numbers."""
    from pyarrow import parquet

    found = parquet.ParquetFile(
        file, thrift_string_size_limit=table.MAX_FILE_BYTES, thrift_container_size_limit=MAX_FOOTER_PARTS
    )
    names = found.schema_arrow.names
    places = _places(origin, found.schema_arrow, wanted)
    _check_size(origin.name, found.metadata, [names[place] for place in places.values()])
    gathered = Gathered(origin, wanted, texts=_texts(origin.name, found, wanted))
    for batch in found.iter_batches(BATCH_ROWS, columns=[names[place] for place in places.values()], use_threads=False):
        gathered.take(batch.num_rows, {name: batch.column(names[place]) for name, place in places.items()})
    return gathered.table(tuple(known_names(names)))


def read_feather(origin: Origin, file: BinaryIO, wanted: Wanted) -> Table:
    """Of version 2, which is a file of Arrow batches. It does not say how large a batch becomes, so the memory is
    limited that it may take. Raises as `read_parquet` does."""
    import pyarrow as pa

    with memory_limit(table.MAX_UNPACKED_BYTES):
        with pa.ipc.open_file(file) as told:
            schema = told.schema
        places = _places(origin, schema, wanted)
        options = pa.ipc.IpcReadOptions(included_fields=sorted(places.values()), use_threads=False)
        gathered = Gathered(origin, wanted)
        file.seek(0)
        with pa.ipc.open_file(file, options=options) as found:
            for index in range(found.num_record_batches):
                batch = found.get_batch(index)
                batch.validate()
                columns = {name: batch.column(schema.names[place]) for name, place in places.items()}
                gathered.take(batch.num_rows, columns)
    return gathered.table(tuple(known_names(schema.names)))


def _places(origin: Origin, schema: Any, wanted: Wanted) -> dict[str, int]:
    """Of the columns of numbers, times and words. Raises DataError."""
    from pyarrow.types import is_boolean

    places = known_columns(origin.name, schema.names, wanted.times | wanted.numbers | wanted.words)
    for name, place in places.items():
        kind = schema.field(place).type
        if name in wanted.words and is_boolean(kind):
            continue
        # What is as long as it likes, as text is, may be there a million times in one place of the file.
        if not any(is_kind(kind) for is_kind in _of_one_length()):
            raise DataError(f"{origin.name}: the column {schema.names[place]} holds {kind} and no numbers; {MEND}")
    return places


def _texts(file: str, found: Any, wanted: Wanted) -> dict[str, str]:
    """By what the file tells of its columns of text, which are not read. Raises DataError where it tells of several."""
    texts = {}
    for name, place in known_columns(file, found.schema_arrow.names, wanted.texts).items():
        path = found.schema_arrow.names[place]
        groups = map(found.metadata.row_group, range(found.metadata.num_row_groups))
        told = [group.column(index).statistics for group in groups for index in range(group.num_columns)
                if group.column(index).path_in_schema == path]  # fmt: skip
        said = sorted({text for one in told if one is not None and one.has_min_max for text in (one.min, one.max)})
        if len(said) > 1:
            raise DataError(f"{file}: holds more than one {name}, {said[0]} and {said[-1]} among them; {ONE_EACH}")
        if said and isinstance(said[0], str):
            texts[name] = said[0]
    return texts


def _of_one_length() -> tuple[Any, ...]:
    from pyarrow import types

    return types.is_integer, types.is_floating, types.is_decimal, types.is_timestamp, types.is_date


def _check_size(name: str, told: Any, wanted: Sequence[str]) -> None:
    """By what the file says of itself. Raises DataError."""
    if told.num_rows > table.MAX_ROWS:
        raise too_large(name, f"has {told.num_rows:,} rows, and {table.MAX_ROWS:,} is the most")
    packed = unpacked = 0
    for group in map(told.row_group, range(told.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in wanted:
                packed += column.total_compressed_size
                unpacked += column.total_uncompressed_size
    most = table.MAX_UNPACKED_BYTES
    if unpacked > most:
        raise too_large(name, f"unpacks into {unpacked >> 20:,} MiB, and {most >> 20} MiB is the most")
    if unpacked > max(table.RATIO_FROM_BYTES, table.MAX_UNPACKED_RATIO * packed):
        raise too_large(name, f"unpacks into more than {table.MAX_UNPACKED_RATIO} times its size")
