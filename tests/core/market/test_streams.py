"""Names of streams, and as what they are stored."""

from __future__ import annotations

import pytest

from core.domain.errors import BadInputError
from core.market.intervals import INTERVALS_MS
from core.market.streams import FAMILIES, INSTANTS, OBSERVED_KINDS, PERIODS, kind_of, stream, stream_name

NAMES = [*INSTANTS, *(f"{family}.{period}" for family, its in PERIODS.items() for period in its.names)]


@pytest.mark.parametrize("name", NAMES)
def test_every_stream_has_a_place_of_its_own(name: str) -> None:
    found = stream(name)
    assert found.name == name
    assert len({field.name for field in found.fields}) == len(found.fields) > 0
    assert stream_name(*kind_of(name)) == name
    assert found.max_age_ms >= 2 * found.period_ms


def test_a_kind_and_a_period_stand_for_one_stream() -> None:
    assert len({kind_of(name) for name in NAMES}) == len(NAMES)
    assert {kind_of(name)[0] for name in NAMES} == {"candles", "funding", "mark", "index", "premium", "spot",
                                                     *OBSERVED_KINDS}  # fmt: skip


def test_bars_are_of_eight_periods() -> None:
    minutes = [stream(f"bars.{period}").period_ms // 60_000 for period in PERIODS["bars"].names]
    assert minutes == [1, 3, 5, 15, 30, 60, 240, 1440]


@pytest.mark.parametrize("name", ["bars", "bars.2m", "bars.2h", "long_short", "trades.5m", "funding.8h", "", ".1m"])
def test_a_name_that_is_none_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(BadInputError, match=r"stream '.*' is unknown; (the streams are|write) \w") as found:
        stream(name)
    family = name.partition(".")[0]
    assert "\n" not in str(found.value)
    assert not family or family in str(found.value)


def test_what_is_of_a_period_is_known_by_its_milliseconds() -> None:
    assert stream("open_interest").period_ms == 0
    assert stream("open_interest.4h").period_ms == INTERVALS_MS["4h"]
    assert not stream("trades").is_steady
    assert set(FAMILIES) == set(INSTANTS) | set(PERIODS)
