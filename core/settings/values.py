"""Settings by key, the values to try of them, and the markets that they choose from."""

from __future__ import annotations

from typing import Literal, get_args

Value = bool | int | float | str

Overrides = tuple[tuple[str, Value], ...]
"""Settings by dotted key, such as ("scalper.stop_pct", 0.8). A key without a dot is one of the strategy's section."""

Grid = tuple[tuple[str, tuple[Value, ...]], ...]
"""The values to try of each setting; keys as in `Overrides`."""

Market = Literal["imported", "recorded"]
"""The candles that the operator imported into a home, or those that come with the program."""

MARKETS: tuple[Market, ...] = ("imported", "recorded")

IntervalMinutes = Literal[1, 3, 5, 15, 30, 60, 240, 1440]
"""How long the bars of a run may be: each divides the day, so that bars begin with it."""

INTERVALS_MINUTES: tuple[int, ...] = get_args(IntervalMinutes)
