"""Values of a file's column, whatever Arrow type they came in, as numbers, times or one text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WHOLE = r"^[+-]?[0-9]{1,19}$"
_POINT_ZERO = r"\.0+$"
_FRACTION = r"^[0-9]{1,10}\.[0-9]{1,9}$"
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})?)?$"
)
_NANOS_A_MS = 1_000_000
_MS_OF_UNIT = {"s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, _NANOS_A_MS)}
_LAST_MS = 1 << 53
_NO_TIME = "is no time in whole milliseconds; write 2025-01-31 23:59:00, or seconds or milliseconds since 1970"
_WORDS = {"true": 1.0, "false": 0.0, "buy": 1.0, "sell": -1.0, "1": 1.0, "0": 0.0, "-1": -1.0}
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?")
_NO_DATE = "is a time without its date; write both in one column, as 2025-01-31 23:59:00"
_OTHER_TIME = "is no time, or is written in another way than those before"


class Wrong(Exception):  # noqa: N818 - it names a value, and whoever knows the file makes the error of it
    """The value at `index` of a column cannot be taken, for this reason."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


def numbers(name: str, column: Any) -> NDArray[np.float64]:
    """Raises Wrong."""
    import pyarrow as pa

    _check_whole(name, column, "is missing or not a number")
    try:
        return np.array(_trimmed(column).cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowException:
        index, value = _first(column, _is_number)
        comma = "; write a point for the decimal comma" if re.fullmatch(r"-?[0-9]+,[0-9]+", str(value).strip()) else ""
        raise Wrong(index, f"{name} {_short(value)} is not a number{comma}") from None


def words(name: str, column: Any) -> NDArray[np.float64]:
    """Of true and false, buy and sell, as 1, 0 and -1. Raises Wrong."""
    import pyarrow as pa

    _check_whole(name, column, "is missing")
    told = column.cast(pa.string()).dictionary_encode()
    known = [_WORDS.get(str(word).strip().lower()) for word in told.dictionary.to_pylist()]
    if None in known:
        index, value = _first(column, lambda text: text.lower() in _WORDS)
        raise Wrong(index, f"{name} {_short(value)} is neither true nor false, buy nor sell")
    return np.asarray(np.array(known, np.float64)[told.indices.to_numpy()])


def times(name: str, column: Any) -> NDArray[np.int64]:
    """Numbers in the file's own unit; dates and times (UTC where they name no zone) as milliseconds. Raises Wrong."""
    import pyarrow as pa

    _check_whole(name, column, "is missing or not a number")
    told = _trimmed(column)
    try:
        if pa.types.is_string(told.type):
            return _told_times(told)
        if pa.types.is_date(told.type):
            told = told.cast(pa.timestamp("ms"))
        if pa.types.is_timestamp(told.type):
            return _from_units(name, told.cast(pa.int64()).to_numpy(), told.type.unit)
        return np.array(told.cast(pa.int64()).to_numpy(), dtype=np.int64)
    except pa.ArrowException:
        first = str(column[0].as_py()).strip()
        if _CLOCK.fullmatch(first):
            raise Wrong(0, f"{name} {_short(first)} {_NO_DATE}") from None
        form = _time_form(first)
        index, value = _first(column, lambda text: form != "" and _time_form(text) == form)
        raise Wrong(index, f"{name} {_short(value)} {_NO_TIME if index == 0 else _OTHER_TIME}") from None


def one_text(name: str, column: Any, before: str | None) -> str:
    """What all rows of a column of text say. Raises Wrong where one says something else than the one before it."""
    values = [str(value).strip() for value in column.to_pylist()]
    said = before if before is not None else values[0]
    index = next((i for i, value in enumerate(values) if value != said), None)
    if index is not None:
        raise Wrong(index, f"{name} is {_short(values[index])} and {_short(said)} before: one file holds one {name}")
    return said


def _told_times(told: Any) -> NDArray[np.int64]:
    """Of texts. Raises pa.ArrowException."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _all_match(told, _POINT_ZERO):
        told = pc.replace_substring_regex(told, _POINT_ZERO, "")
    if _all_match(told, _WHOLE):
        return np.array(told.cast(pa.int64()).to_numpy(), dtype=np.int64)
    if _all_match(told, _FRACTION):
        return _from_seconds(told)
    told = pc.replace_substring_regex(told, r" ?UTC$", "Z")
    if not _all_match(told, _ISO):
        raise pa.ArrowInvalid("no times")
    has_zone = _all_match(told, r":.*(Z|[+-][0-9:]{2,5})$")
    nanos = told.cast(pa.timestamp("ns", tz="UTC" if has_zone else None)).cast(pa.int64()).to_numpy()
    if (nanos % _NANOS_A_MS).any():
        raise pa.ArrowInvalid("no whole milliseconds")
    return np.asarray(nanos // _NANOS_A_MS, dtype=np.int64)


def _from_units(name: str, values: NDArray[np.int64], unit: str) -> NDArray[np.int64]:
    """Milliseconds of Arrow's timestamps. Raises Wrong."""
    factor, divisor = _MS_OF_UNIT[unit]
    strange = (values % divisor != 0) | (np.abs(values // divisor) > _LAST_MS // factor)
    if strange.any():
        index = int(np.argmax(strange))
        raise Wrong(index, f"{name} {values[index]} {unit} is not a whole number of milliseconds")
    return np.asarray(values * factor // divisor, dtype=np.int64)


def _from_seconds(told: Any) -> NDArray[np.int64]:
    """Seconds with a fraction as milliseconds, so that no unit has to be guessed of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [pc.list_element(pc.split_pattern(told, "."), place) for place in (0, 1)]
    nanos = pc.utf8_rpad(parts[1], 9, "0").cast(pa.int64()).to_numpy()
    if (nanos % _NANOS_A_MS).any():
        raise pa.ArrowInvalid("no whole milliseconds")
    return np.asarray(parts[0].cast(pa.int64()).to_numpy() * 1_000 + nanos // _NANOS_A_MS, dtype=np.int64)


def _all_match(told: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(told, pattern)).as_py())


def _check_whole(name: str, column: Any, reason: str) -> None:
    if column.null_count:
        raise Wrong(int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))), f"{name} {reason}")


def _trimmed(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column


def _first(column: Any, is_good: Callable[[str], bool]) -> tuple[int, Any]:
    """The first value that is not, and its place."""
    values = column.to_pylist()
    return next(((i, value) for i, value in enumerate(values) if not is_good(str(value).strip())), (0, values[0]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _time_form(text: str) -> str:
    """Two times of one form can stand in one column; empty of what is no time."""
    if re.fullmatch(r"[+-]?[0-9]{1,19}(\.0+)?", text):
        return "whole"
    if re.search(_FRACTION, text):
        return "fraction"
    text = re.sub(r" ?UTC$", "Z", text)
    try:
        zone = datetime.fromisoformat(text).tzinfo if re.search(_ISO, text) else None
    except ValueError:
        return ""
    return ("zoned" if zone else "plain") if re.search(_ISO, text) else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
