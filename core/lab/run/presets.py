"""Named schemes of training and testing, as settings overrides and periods. A name reads train-test-retrain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from core.domain.errors import BadInputError
from core.domain.market import MINUTE_MS
from core.settings.values import Overrides

HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Preset:
    """A model sees the `train_ms` before it and is trained anew every `retrain_ms`; a result covers `test_ms`."""

    name: str
    about: str
    train_ms: int
    test_ms: int
    retrain_ms: int

    def overrides(self, keys: Collection[str]) -> Overrides:
        """For a strategy whose section has `keys`: without window_hours it has no model, and nothing to override."""
        if "window_hours" not in keys:
            return ()
        return (("window_hours", self.train_ms // HOUR_MS), ("retrain_minutes", self.retrain_ms // MINUTE_MS))

    def period(self, from_ms: int | None, to_ms: int | None, last_ms: int) -> tuple[int, int]:
        """The period to test, [from, to): the ends that are named, else `test_ms` long, else the newest `test_ms` of
        data that ends at `last_ms`."""
        if from_ms is None:
            to_ms = last_ms if to_ms is None else to_ms
            return to_ms - self.test_ms, to_ms
        return from_ms, from_ms + self.test_ms if to_ms is None else to_ms


PRESETS = (
    Preset(
        "48h-24h-60m",
        "trained on 48 hours, tested over 24, trained anew every 60 minutes",
        train_ms=48 * HOUR_MS,
        test_ms=24 * HOUR_MS,
        retrain_ms=HOUR_MS,
    ),
    Preset(
        "6m-1m-1m",
        "trained on 6 months of 30 days, tested over 1, trained anew every month",
        train_ms=180 * DAY_MS,
        test_ms=30 * DAY_MS,
        retrain_ms=30 * DAY_MS,
    ),
)


def find_preset(name: str) -> Preset:
    """Raises BadInputError with the names there are."""
    for preset in PRESETS:
        if preset.name == name:
            return preset
    raise BadInputError(f"no preset is called {name!r}; choose {' or '.join(preset.name for preset in PRESETS)}")
