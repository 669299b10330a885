from __future__ import annotations

import itertools

import pytest

from tui.console.registry import REGISTRY
from tui.console.screens.layout import MIN_HEIGHT, MIN_WIDTH, arrange, framed, too_small

PAGES = [entry.name for entry in REGISTRY.entries]
SIZES = [(80, 24), (99, 30), (100, 30), (120, 40), (159, 45), (160, 40), (200, 50), (300, 90)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
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
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_its_panel_first_and_every_panel_has_room(page: str, size: tuple[int, int]) -> None:
    slots = arrange(page, size[0], size[1] - 3)
    assert slots[0].name == REGISTRY.main(page)
    assert len({slot.name for slot in slots}) == len(slots)


def test_no_panel_is_placed_below_its_least_size() -> None:
    sizes = itertools.product((*range(MIN_WIDTH, 171), 200, 300), (*range(MIN_HEIGHT, 51), 90))
    below = [
        (page, width, height, slot)
        for width, height in sizes
        for page in PAGES
        for slot in arrange(page, width, height - 3)
        if slot.width < REGISTRY[slot.name].least.width or slot.height < REGISTRY[slot.name].least.height
    ]
    assert below == []


def test_what_stands_beside_a_page_is_left_out_where_it_has_no_room() -> None:
    assert [slot.name for slot in arrange("chart", 120, 21)] == ["chart", "markets", "positions", "risk"]
    assert [slot.name for slot in arrange("chart", 120, 12)] == ["chart", "markets", "positions"]
    assert [slot.name for slot in arrange("chart", 90, 21)] == ["chart", "positions"]


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
