from __future__ import annotations

from decimal import Decimal

from core.domain.operator import OperatorCommand, OperatorWish, Verb


def test_a_wish_becomes_a_command_of_the_moment_it_is_taken_in() -> None:
    wish = OperatorWish(Verb.LOCK, "BTCUSDT", "ann\n", for_ms=60_000, reason="news\x1b[2J")
    command = OperatorCommand("op-7", Verb.LOCK, "BTCUSDT", "ann\\n", 1_000, until_ms=61_000, reason="news\\x1b[2J")
    assert wish.taken("op-7", 1_000) == command


def test_an_act_on_a_trade_keeps_the_digits_it_was_asked_with() -> None:
    close = OperatorWish(Verb.CLOSE, "", "ann", trade="t1\n", share_pct=Decimal("33.30"))
    taken = close.taken("op-7", 1_000)
    assert taken == OperatorCommand("op-7", Verb.CLOSE, "", "ann", 1_000, trade="t1\\n", share_pct=Decimal("33.3"))
    assert str(OperatorWish(Verb.MOVE_STOP, "", "ann", price=Decimal("59.10")).taken("op-8", 1).price) == "59.10"


def test_a_lock_without_an_end_is_taken_without_one() -> None:
    wish = OperatorWish(Verb.FLATTEN, "", "ann", include_external=True)
    assert wish.taken("op-7", 1_000) == OperatorCommand("op-7", Verb.FLATTEN, "", "ann", 1_000, include_external=True)
