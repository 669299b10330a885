from __future__ import annotations

from core.domain.operator import OperatorCommand, OperatorWish, Verb


def test_a_wish_becomes_a_command_of_the_moment_it_is_taken_in() -> None:
    wish = OperatorWish(Verb.LOCK, "BTCUSDT", "ann\n", for_ms=60_000, reason="news\x1b[2J")
    command = OperatorCommand("op-7", Verb.LOCK, "BTCUSDT", "ann\\n", 1_000, until_ms=61_000, reason="news\\x1b[2J")
    assert wish.taken("op-7", 1_000) == command


def test_a_lock_without_an_end_is_taken_without_one() -> None:
    wish = OperatorWish(Verb.FLATTEN, "", "ann", include_external=True)
    assert wish.taken("op-7", 1_000) == OperatorCommand("op-7", Verb.FLATTEN, "", "ann", 1_000, include_external=True)
