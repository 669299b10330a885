from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.protocol import BlockView, MeterView, StatusView
from core.control.readiness import Block, standing
from core.domain.operator import CLEARED_BY_DAY, CLEARED_BY_RESUME, CLEARED_BY_UNLOCK, FULL_IN_USE
from core.engine.views import block_views
from core.trader import limits
from core.trader.limits.limit import Ended
from tests.core.trader.limits.kit import health, make_desk

STATUS = StatusView("live", "running", 0, 1e4, 1e4, 0.0, 0.0, 0.0, 0, 0, 100.0, 1.0)


def meter(name: str, effect: str = "no_new_entries", level: str = "blocked") -> MeterView:
    return MeterView(name, 5.0, 5.0, "", level, effect, "at 00:00 UTC", "")  # type: ignore[arg-type]


def test_the_names_are_those_of_the_limits() -> None:
    """Faces know a limit by its name alone: what they must know of it beside its words is said of the same limits."""
    ended = {by: {name for name, limit in limits.RULES.items() if by in limit.ended} for by in Ended}
    assert (ended[Ended.BY_DAY], ended[Ended.BY_RESUME]) == (CLEARED_BY_DAY, CLEARED_BY_RESUME)
    assert ended[Ended.BY_UNLOCK] == CLEARED_BY_UNLOCK
    assert set(limits.RULES) >= FULL_IN_USE


def test_a_limit_of_one_strategy_blocks_no_other() -> None:
    status = replace(STATUS, halts=("few:one",), blocks=(BlockView("few", "", "later", "because", "one"),))
    stands = standing(status, symbols=("BTCUSDT",))
    assert (stands.word, stands.blocks) == ("RUNNING", (Block("few", "one", "later", "because"),))


@pytest.mark.parametrize(
    ("state", "halts", "word"),
    [
        ("running", (), "RUNNING"),
        ("running", ("day_loss_usdt",), "BLOCKED"),
        ("running", ("open_positions",), "RUNNING"),
        ("running", ("exposure",), "RUNNING"),
        ("running", ("feed_age:BTCUSDT",), "RUNNING"),
        ("running", ("feed_age:BTCUSDT", "contract:ETHUSDT"), "BLOCKED"),
        ("paused", ("day_loss_usdt", "paused"), "PAUSED"),
        ("halted", ("halted",), "HALTED"),
        ("recovering", ("day_loss_usdt",), "RECOVERING"),
        ("failed", (), "FAILED"),
    ],
)
def test_the_word_says_whether_anything_may_be_opened(state: str, halts: tuple[str, ...], word: str) -> None:
    status = replace(STATUS, state=state, halts=halts)  # type: ignore[arg-type]
    assert standing(status, (), ("BTCUSDT", "ETHUSDT")).word == word


def test_an_engine_that_says_nothing_is_stale_whatever_it_said_last() -> None:
    assert standing(replace(STATUS, halts=("drawdown",)), silent=True).word == "STALE"


def test_a_full_book_is_told_and_blocks_nothing_else() -> None:
    for full in (standing(replace(STATUS, halts=("open_positions",))), standing(STATUS, [meter("exposure", "reduce")])):
        assert (full.word, full.blocks, full.full) == ("RUNNING", (), True)


def test_a_connection_that_is_not_well_blocks_before_its_limit_has_fired() -> None:
    (block,) = standing(replace(STATUS, connection="silent for 12 s")).blocks
    assert (block.what, block.until) == ("connection (silent for 12 s)", "until it is well again")


def test_a_meter_at_its_limit_blocks_where_reaching_it_forbids_entries() -> None:
    assert standing(STATUS, [meter("day_trades")]).word == "BLOCKED"
    assert standing(STATUS, [meter("day_loss_usdt", "warn")]).word == "RUNNING"


@pytest.mark.parametrize(
    ("clears", "until"),
    [
        (limits.DAY_LOSS_USDT.clears, "until 00:00 UTC"),
        (limits.LOSSES_IN_ROW.clears, "until 00:00 UTC or R"),
        (limits.DRAWDOWN.clears, "until R resumes"),
        (limits.SECOND_ENGINE.clears, "until R resumes"),
        (limits.FEED_AGE.clears, "clears with the next closed bar of the symbol"),
        ("", ""),
    ],
)
def test_until_when(clears: str, until: str) -> None:
    assert Block("day_trades", "", clears).until == until


def test_what_the_trader_s_limits_say_is_what_stands() -> None:
    desk = make_desk()
    health(desk, "account stream: silent for 12 s")
    guard = desk.trader.guard
    blocks = block_views(guard.blocking())
    assert blocks == (BlockView("connection", "", limits.CONNECTION.clears, "account stream: silent for 12 s"),)
    (block,) = standing(replace(STATUS, halts=guard.halts(), blocks=blocks)).blocks
    assert block.what == "connection (account stream: silent for 12 s)"
