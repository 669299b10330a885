"""Rows and columns of the lab as pandas frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.domain.errors import BadInputError, UnavailableError
from core.domain.rows import Row

if TYPE_CHECKING:
    import pandas as pd

_MOMENTS = frozenset({"from_ms", "to_ms", "first_ms", "last_ms", "open_ms", "created_ms", "opened_ms", "updated_ms"})


def pandas() -> Any:
    """Raises UnavailableError where it is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise UnavailableError(
            "a frame needs pandas; install quarterdeck with its extra: pip install 'quarterdeck[notebook]'"
        ) from error
    return pd


def frame(data: Sequence[Row] | Mapping[str, Any], about: Mapping[str, Any], index: str | None = None) -> pd.DataFrame:
    """Rows, or columns by name, as they are named there. Times (`..._time_ms`, `from_ms` and their like) become UTC
    timestamps and lose the `_ms`; lengths of time stay milliseconds. `index` names such a column as it was.

    `about` stands in the frame's `attrs`: where its figures come from.
    """
    pd = pandas()
    made = pd.DataFrame(data)
    for name in list(made.columns):
        if is_moment(name):
            made[name] = pd.to_datetime(made[name], unit="ms", utc=True)
    made = made.rename(columns={name: bare(name) for name in made.columns if is_moment(name)})
    if index is not None:
        made = made.set_index(bare(index)) if bare(index) in made.columns else made
    made.attrs.update(about)
    return made


def is_moment(name: str) -> bool:
    return name == "time_ms" or name.endswith("_time_ms") or name in _MOMENTS


def bare(name: str) -> str:
    return name.removesuffix("_ms") if is_moment(name) else name


def moment_ms(moment: Any, what: str) -> int | None:
    """UTC ms of a timestamp, a date, or text of one; UTC where it has no zone. None stays. Raises BadInputError."""
    if moment is None:
        return None
    pd = pandas()
    try:
        made = pd.Timestamp(moment)
    except (ValueError, TypeError):
        made = pd.NaT
    if made is pd.NaT or isinstance(moment, bool | int | float):
        raise BadInputError(f"{what}={moment!r}: is no time; give one as '2025-06-05' or '2025-06-05T12:30' (UTC)")
    made = made.tz_localize("UTC") if made.tzinfo is None else made.tz_convert("UTC")
    since_1970_s: float = made.timestamp()
    return round(since_1970_s * 1000)
