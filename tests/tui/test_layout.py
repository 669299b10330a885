from __future__ import annotations

import itertools

import pytest

from tui.keys import PANELS
from tui.screens.layout import arrange, framed, too_small

SIZES = [(80, 24), (99, 30), (100, 30), (120, 40), (159, 45), (160, 40), (200, 50), (300, 90)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", [*PANELS, "help"])
def test_panels_tile_the_body(page: str, size: tuple[int, int]) -> None:
    width, height = size[0], size[1] - 3
    slots = arrange(page, width, height)
    covered = [
        (x, y)
        for slot in slots
        for x in range(slot.x, slot.x + slot.width)
        for y in range(slot.y, slot.y + slot.height)
    ]
    assert len(covered) == len(set(covered)) == width * height
    assert set(covered) == set(itertools.product(range(width), range(height)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PANELS)
def test_a_page_shows_its_panel_first_and_every_panel_has_room(page: str, size: tuple[int, int]) -> None:
    slots = arrange(page, size[0], size[1] - 3)
    assert slots[0].name == ("markets" if page == "overview" else page)
    assert len({slot.name for slot in slots}) == len(slots)
    assert min(slot.height for slot in slots) >= 4
    assert min(slot.width for slot in slots) >= 44


def test_columns_follow_the_width() -> None:
    assert len({slot.x for slot in arrange("chart", 99, 40)}) == 1
    assert len({slot.x for slot in arrange("chart", 100, 40)}) == 2
    assert len({slot.x for slot in arrange("chart", 160, 40)}) == 3


def test_thresholds() -> None:
    assert too_small(79, 24)
    assert too_small(80, 23)
    assert not too_small(80, 24)
    assert framed(100, 30)
    assert not framed(120, 29)
