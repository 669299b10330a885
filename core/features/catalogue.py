"""The catalogue: columns by name. A strategy's own come in by the same door, as `Column`s or by pandas-ta's names.

Looking a column up imports numba, and an indicator pandas: at the first call, so that importing this costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType

from core.domain.errors import BadInputError
from core.features.column import Column
from core.features.pandas_ta import Indicator

FAMILIES = ("returns", "averages", "volatility", "volume", "oscillators")
"""A file each of this folder, with its `COLUMNS`."""


@cache
def catalogue() -> Mapping[str, Column]:
    """Every column of the house by its name."""
    families = (import_module(f"core.features.{family}") for family in FAMILIES)
    return MappingProxyType({column.name: column for family in families for column in family.COLUMNS})


def columns(wanted: Sequence[str | Column | Indicator]) -> tuple[Column, ...]:
    """The columns that are `wanted`, by name or brought along, in that order: of an indicator, one an output.

    An indicator is tried at the first call, which takes up to some seconds: a matter for worker processes. Raises
    BadInputError, in one line, for a name that is not known, for two columns of one name, and for an indicator that
    cannot be a column.
    """
    found = tuple(column for one in wanted for column in _found(one))
    twice = [name for name, count in Counter(column.name for column in found).items() if count > 1]
    if twice:
        raise BadInputError(f"column {twice[0]}: taken twice; leave one out or name them apart")
    return found


def _found(wanted: str | Column | Indicator) -> tuple[Column, ...]:
    if isinstance(wanted, Indicator):
        from core.features.settling import indicator_columns

        return indicator_columns(wanted)
    return (wanted if isinstance(wanted, Column) else _named(wanted),)


def _named(name: str) -> Column:
    known = catalogue()
    if name not in known:
        near = get_close_matches(name, known, 1)
        mend = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        raise BadInputError(f"column {name}: is not in the catalogue; {mend}")
    return known[name]
