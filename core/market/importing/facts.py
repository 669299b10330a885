"""What files of any kind tell alike: whose rows they hold, at which times, how far apart, and where one is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import DataError
from core.market.importing.naming import Named, delivered, symbol_in
from core.market.importing.table import MEND, Origin, Table
from core.market.intervals import INTERVALS_MS

SYMBOL = "symbol"
# Times from 2001 to 2096 in one unit cannot be taken for another unit's: from, times, divided by.
_UNITS = ((10**9, 1_000, 1), (10**12, 1, 1), (10**15, 1, 1_000), (10**18, 1, 1_000_000))


def symbol_of(table: Table, told: Named, given: str | None, times: NDArray[np.int64]) -> str:
    """Raises DataError where neither the name nor the rows tell it, they differ, or the name may mean another."""
    name, said = table.origin.name, table.texts.get(SYMBOL)
    inside = symbol_in(said) if said is not None else ""
    if given is not None:
        return given
    later = delivered(told.symbol, told.day) if told.symbol and told.day else ""
    if inside and told.symbol and inside not in (told.symbol, later):
        raise DataError(f"{name}: its rows are of {inside} and its name says {told.symbol}; give the right --symbol")
    if later and not inside and _day(times.min()) < told.day and _day(times.max()) <= told.day:
        raise DataError(
            f"{name}: {told.day} may be a day of the file or that of a delivery; give --symbol {told.symbol} or "
            f"--symbol {later}; nothing was imported"
        )
    if found := inside or told.symbol:
        return found
    raise DataError(f"{name}: its name does not tell the symbol; give it with --symbol, like BTCUSDT")


def _day(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms // 1000, UTC):%Y%m%d}"


def row_error(origin: Origin, times: NDArray[np.int64], index: int, reason: str) -> DataError:
    is_out_of_order = index > 0 and times[index] <= times[index - 1]
    mend = "correct the file and import it again, --sort puts rows in order; nothing was imported"
    return origin.error(index, reason, mend) if is_out_of_order else origin.error(index, reason)


def one_of(table: Table, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table.columns:
            return name
    raise DataError(f"{table.origin.name}: lacks the column {names[0]}; {MEND}")


def times_of(table: Table, names: tuple[str, ...]) -> NDArray[np.int64]:
    """UTC milliseconds, from integers of s, ms, us or ns."""
    origin, name = table.origin, one_of(table, names)
    values = table.columns[name]
    for scale, factor, divisor in _UNITS:
        if scale <= values[0] < 4 * scale:
            strange = ~((values >= scale) & (values < 4 * scale)) | (values % divisor != 0)
            if strange.any():
                index = int(np.argmax(strange))
                raise origin.error(index, f"{name} {values[index]} is not in the unit of the rows before")
            return np.asarray(values * factor // divisor, dtype=np.int64)
    raise origin.error(0, f"{name} {values[0]} is no time in seconds, milliseconds, microseconds or nanoseconds")


def usual_step_ms(origin: Origin, times: NDArray[np.int64]) -> int:
    """The interval that most rows are apart in whatever order, where the name does not tell it."""
    steps = np.diff(np.sort(times))
    step = int(np.median(steps)) if len(steps) else 0
    if step not in INTERVALS_MS.values():
        raise DataError(f"{origin.name}: neither its name nor its times tell the interval; give it with --interval")
    return step
