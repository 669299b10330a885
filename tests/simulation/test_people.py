"""Every act of people in the simulation does at the exchange what its name says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Episode
from tests.simulation.telling import START_MS
from tests.simulation.world import OTHER_SYMBOL, START_PRICES, World

BTC = "BTCUSDT"
PRICES = {symbol: START_PRICES[symbol] for symbol in (BTC, OTHER_SYMBOL)}


class Account:
    """Fifteen lots of ours, long, with a stop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.world = World(loop, 1, (BTC,), START_MS, PRICES)
        self.venue = self.world.venue
        self.venue.place_external(START_MS, symbol=BTC, side="BUY", quantity="0.015", newClientOrderId="qd1")

    def act(self, kind: str, amount: float = 0.5, length_ms: int = 30_000, pass_s: float = 5.0) -> None:
        self.world.begin(Episode(0, kind, length_ms, amount))
        self.loop.run_until_complete(_pass(pass_s))

    def held(self) -> tuple[int, int]:
        shares = self.world.shares
        assert self.venue.position_lots(BTC) == shares.ours[BTC] + shares.others[BTC]
        return shares.ours[BTC], shares.others[BTC]

    def reached(self) -> set[str]:
        return set(self.world.marks.reached)


async def _pass(seconds: float) -> None:
    await asyncio.sleep(seconds)


@pytest.fixture
def account() -> Iterator[Account]:
    loop = VirtualLoop("people")
    try:
        yield Account(loop)
    finally:
        loop.close()


def test_closed_by_hand_is_the_whole_of_it(account: Account) -> None:
    account.act("closed by hand")
    assert account.held() == (0, 0)
    assert account.reached() == {"closed by hand whole"}


def test_closed_in_part_leaves_something(account: Account) -> None:
    account.act("closed in part")
    assert account.held() == (8, 0)
    account.act("closed in parts")
    assert account.held() == (0, 0)
    assert account.reached() == {"closed by hand in part", "closed by hand whole"}


def test_through_zero_leaves_lots_of_others_that_go_after_their_time(account: Account) -> None:
    account.act("foreign through zero")
    assert account.held() == (0, -13)
    account.act("closed by hand", pass_s=30.0)  # Nothing of ours is there to be closed.
    assert account.held() == (0, 0)
    assert account.reached() == {"foreign trade through zero", "others closed theirs"}


def test_along_is_beside_ours_and_to_and_fro_is_out_and_in(account: Account) -> None:
    account.act("foreign along", amount=0.9)
    assert account.held() == (15, 18)
    account.act("foreign to and fro", amount=0.9)
    assert account.held() == (0, 33)


def test_a_stop_by_hand_closes_everything_when_the_price_reaches_it(account: Account) -> None:
    account.act("stop by hand")
    account.world.jump(BTC, -0.002)
    account.loop.run_until_complete(_pass(30.0))
    assert account.held() == (0, 0)
    assert account.reached() == {"stop by hand filled"}


def test_a_limit_by_hand_is_withdrawn_after_its_time(account: Account) -> None:
    account.act("limit by hand", amount=0.8, pass_s=1.0)
    assert len(account.world.exchange.open_orders[BTC]) == 1
    account.loop.run_until_complete(_pass(30.0))
    assert not account.world.exchange.open_orders[BTC]
    assert account.reached() == {"order by hand cancelled"}


def test_settings_and_money_change(account: Account) -> None:
    account.act("leverage by hand", amount=0.1)
    account.act("margin mode by hand", length_ms=60_000)
    assert account.venue.settings.leverage(BTC) == 2
    assert account.venue.settings.margin_type(BTC) == "CROSSED"  # Refused as long as something is held.
    account.act("closed by hand")
    assert account.venue.settings.margin_type(BTC) == "ISOLATED"
    before = account.venue.ledger.deposits_usdt
    account.act("transfer by hand", amount=0.75)
    account.act("transfer by hand", amount=0.25)
    assert account.venue.ledger.deposits_usdt == before
    assert {"transfer in", "transfer out", "margin mode changed by hand"} <= account.reached()


def test_while_no_engine_runs_it_is_marked(account: Account) -> None:
    account.world.people.is_engine_off = True
    account.world.people.act_while_off(Episode(0, "killed and traded", 8_000, 0.1))
    assert account.held() == (0, 0)
    assert "closed by hand while the engine was off" in account.reached()


def test_nothing_happens_while_the_exchange_is_down(account: Account) -> None:
    account.world.storm.is_down = True
    account.act("closed by hand")
    account.act("transfer by hand")
    assert account.held() == (15, 0)
    assert account.reached() == set()
