from __future__ import annotations

from core.domain.operator import LimitEffect, Verb
from tests.core.trader.desk import Desk, placed
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    make_desk,
)


def odd_fill(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.accept(entry)
    desk.fill(entry, lots=1_000)


def test_books_blocks_after_a_fill_that_was_not_booked() -> None:
    desk = make_desk()
    odd_fill(desk)
    assert "is not booked" in assert_fired(desk, "books", LimitEffect.NO_NEW_ENTRIES).note
    assert desk.trader.guard.halts() == ("books",)


def test_books_clears_when_the_operator_resumes() -> None:
    desk = make_desk()
    odd_fill(desk)
    desk.minute()
    assert desk.trader.guard.halts() == ("books",)
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "books")
