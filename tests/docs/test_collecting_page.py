"""docs/collecting.md says every stream that can be gathered, what of an exchange cannot, all settings, true sizes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.exchange.dialects import EXCHANGES, observed_of
from core.market.collecting.store import row_bytes
from core.market.kinds import FUNDING
from core.market.live.observing import told_names
from core.market.streams import stream
from core.settings.schema import CollectSettings

PAGE = (Path(__file__).parents[2] / "docs" / "collecting.md").read_text()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]
NAMES = {"mexc": "MEXC", "apex": "Apex Omni"}


def test_every_stream_stands_there_with_what_its_row_takes() -> None:
    told = {re.findall(r"`([^`]+)`", cells[0])[0]: int(cells[3]) for cells in ROWS if len(cells) == 4}
    assert set(told) == set(told_names("binanceusdm"))
    assert told == {name: row_bytes("BTCUSDT", name, len(stream(name).fields)) for name in told}


def test_the_sizes_of_a_day_follow_from_those_of_a_row() -> None:
    said = re.findall(r"(\d+) MB a day, its mark price (\d+) MB; a million trades are (\d+) MB", " ".join(PAGE.split()))
    sizes = {name: row_bytes("BTCUSDT", name, len(stream(name).fields)) for name in ("book10", "mark", "trades")}
    expected = [sizes["book10"] * 86_400 / 1e6, sizes["mark"] * 86_400 / 1e6, sizes["trades"]]
    assert [tuple(f"{size:.0f}" for size in expected)] == said


def test_the_periods_are_those_of_the_exchange() -> None:
    for history in observed_of("binanceusdm").histories.values():
        assert f"{', '.join(history.periods[1:-1])} and {history.periods[-1]} are told, too" in PAGE


@pytest.mark.parametrize("exchange_id", sorted(set(EXCHANGES) - {"binanceusdm"}))
def test_what_an_exchange_does_not_tell_stands_there_with_its_reason(exchange_id: str) -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith(f"- {NAMES[exchange_id]} ")]
    said = {name: line.partition(": ")[2] for line in lines for name in re.findall(r"`(\w+)`", line.partition(": ")[0])}
    assert said == {name: why for name, why in observed_of(exchange_id).lacks.items() if name != "quotes"}
    for name in told_names(exchange_id):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("exchange_id", EXCHANGES)
def test_every_stream_that_is_gathered_has_its_days(exchange_id: str) -> None:
    """But funding, which is kept for ever."""
    told = {name.partition(".")[0] for name in told_names(exchange_id)} - {FUNDING}
    assert {f"keep_{family}_days" for family in told} <= set(CollectSettings.model_fields)


def test_every_setting_stands_there() -> None:
    said = {name for cells in ROWS if len(cells) == 3 for name in re.findall(r"`(\w+)`", cells[0])}
    assert said == set(CollectSettings.model_fields)
