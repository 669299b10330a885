"""The status of contracts: what forbids entries, from when on, and what the operator hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from core.domain.errors import BadInputError, VenueRejectedError
from core.domain.operator import Verb
from core.domain.orders import OrderRole
from core.exchange.apex.dialect import ApexOmni
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.markets.status import StatusWatch, closing, end_ms, status_problem
from core.exchange.mexc.dialect import MexcSwap
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.faults import JSON
from tests.simulation.transport import Answer, Fate, Outcome
from tests.venue import by_hand

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
NOW_MS = 1_795_000_000_000
FAR_MS = by_hand.FAR_DELIVERY_MS


def binance(**info: Any) -> dict[str, Any]:
    told = {"status": "TRADING", "deliveryDate": FAR_MS, "onboardDate": 1_569_398_400_000, **info}
    return {"active": told["status"] == "TRADING", "info": told, "told by": BinanceUsdm()}


def mexc(state: Any) -> dict[str, Any]:
    return {"active": str(state) == "0", "info": {"state": state}, "told by": MexcSwap()}


def apex(**info: Any) -> dict[str, Any]:
    told = {"enableTrade": True, "enableOpenPosition": True, "isPrelaunch": False, "settleTimeStamp": 0, **info}
    return {"active": told["enableTrade"], "info": told, "told by": ApexOmni()}


def teller(market: dict[str, Any] | None) -> Any:
    return (market or {}).get("told by", BinanceUsdm())


def problem(market: dict[str, Any] | None) -> str:
    return status_problem(market, NOW_MS, teller(market))


def end(market: dict[str, Any]) -> int | None:
    return end_ms(market, teller(market))


def way_out(market: dict[str, Any] | None) -> str:
    return closing(BTC, market, teller(market))


@pytest.mark.parametrize(
    ("market", "said"),
    [
        (binance(), ""),
        (binance(status="PENDING_TRADING"), "it is not traded yet; clears when the exchange trades it"),
        (binance(status="PRE_DELIVERING"), "it is being settled; clears when the exchange trades it"),
        (binance(status="DELIVERING"), "it is being settled; clears when the exchange trades it"),
        (binance(status="PRE_SETTLE"), "it is being settled; clears when the exchange trades it"),
        (binance(status="SETTLING"), "it is being settled; clears when the exchange trades it"),
        (binance(status="CLOSE"), "it is closed; clears when the exchange trades it"),
        (binance(status="BREAK"), "it is paused; clears when the exchange trades it"),
        (binance(status="TRADING_HALT"), "it is paused; clears when the exchange trades it"),
        (binance(status="SOMETHING_NEW"), "it has the status SOMETHING_NEW; clears when the exchange trades it"),
        ({"active": True, "info": {"contractStatus": "BREAK"}}, "it is paused; clears when the exchange trades it"),
        (mexc(0), ""),
        (mexc("0"), ""),
        (mexc(1), "it is being settled; clears when the exchange trades it"),
        (mexc(4), "it is paused; clears when the exchange trades it"),
        (mexc(9), "it has the state 9; clears when the exchange trades it"),
        (apex(), ""),
        (apex(enableTrade=False), "it is not traded; clears when the exchange trades it"),
        (apex(enableOpenPosition=False), "it takes no orders that open a position; clears when the exchange trades it"),
        (apex(isPrelaunch=True), "it is not traded yet; clears when the exchange trades it"),
        ({"active": False, "info": {}}, "it is not traded; clears when the exchange trades it"),
        ({"active": None, "info": {}}, ""),
        (None, "the exchange does not list it any more; clears when the exchange trades it"),
    ],
)
def test_what_a_status_forbids(market: dict[str, Any] | None, said: str) -> None:
    assert problem(market) == said


def test_a_contract_is_entered_no_more_in_the_last_day_before_its_end() -> None:
    ends_ms = NOW_MS + DAY_MS
    assert problem(binance(deliveryDate=ends_ms + 1)) == ""
    said = "it is settled at 2026-11-19 11:06 UTC, and not entered in the last 24 hours; clears when that is taken back"
    assert problem(binance(deliveryDate=ends_ms)) == said
    assert problem(binance(deliveryDate=str(ends_ms))) == said
    assert problem(apex(settleTimeStamp=ends_ms)) == said
    assert problem({"active": True, "expiry": ends_ms, "info": {}}) == said
    assert problem(binance(deliveryDate=NOW_MS - DAY_MS)) != ""


def test_a_contract_is_not_entered_before_it_opens() -> None:
    assert problem(binance(onboardDate=NOW_MS + 1)) == ("it is not traded before 2026-11-18 11:06 UTC; clears then")
    assert problem(binance(onboardDate=NOW_MS)) == ""


def test_a_perpetual_has_no_end() -> None:
    assert [end(binance()), end(apex()), end(binance(deliveryDate=0)), end({"info": None})] == [None] * 4
    assert end(binance(deliveryDate=NOW_MS)) == NOW_MS


HOW = (
    f"; close the open position before, by `quarterdeck flatten {BTC}`, or F in the console for all: "
    "the exchange settles what is left"
)


def watch(house: House) -> StatusWatch:
    return StatusWatch(house.wire, (BTC, ETH))


def test_a_contract_that_stops_trading_is_entered_no_more_until_it_trades_again() -> None:
    async def test(house: House) -> None:
        status = watch(house)
        task = house.loop.create_task(status.run(house.trader, house.stepper))
        by_hand.change_status(house.venue, BTC, "SETTLING")
        await house.pass_s(3700)
        assert house.trader.guard.halts() == (f"contract:{BTC}",)
        assert house.health.problem(BTC) == "contract: it is being settled; clears when the exchange trades it"
        await house.predict(BTC, 20.0)
        await house.predict(ETH, 20.0)
        await house.pass_s(3)
        assert (house.book(BTC).lots, house.book(ETH).lots > 0) == (0, True)
        by_hand.change_status(house.venue, BTC, "TRADING")
        await house.pass_s(3700)
        assert house.trader.guard.halts() == ()
        task.cancel()

    in_house(test)


def test_a_contract_that_is_not_trading_at_the_start_is_not_entered() -> None:
    async def test(house: House) -> None:
        by_hand.change_status(house.venue, BTC, "PENDING_TRADING")
        await house.stop()
        await house.start()
        watch(house).judge({})
        assert house.health.problem(BTC).startswith("contract: it is not traded yet")

    in_house(test)


def test_an_end_is_told_when_it_is_announced_and_stops_entries_a_day_before(caplog: pytest.LogCaptureFixture) -> None:
    async def test(house: House) -> None:
        await house.enter()
        await house.pass_s(3)
        status = watch(house)
        by_hand.announce_end(house.venue, BTC, house.clock.now_ms() + DAY_MS + HOUR_MS)
        await status.read()
        caplog.clear()
        for _ in range(3):
            status.judge({BTC: house.book().lots})
        assert house.health.problem(BTC) == ""
        (told,) = caplog.records
        assert told.levelname == "ERROR"
        assert told.getMessage().startswith(f"{BTC}: it is settled at 2026-05-29 ")
        assert told.getMessage().endswith(HOW)
        await house.pass_s(3601)
        status.judge({BTC: house.book().lots})
        assert "it is settled at 2026-05-29" in house.health.problem(BTC)
        assert caplog.records[-1].getMessage().endswith(HOW)
        by_hand.announce_end(house.venue, BTC)
        await status.read()
        status.judge({BTC: house.book().lots})
        assert house.health.problem(BTC) == ""

    in_house(test)


def test_a_status_that_cannot_be_read_for_a_day_forbids_entries_until_it_can() -> None:
    async def test(house: House) -> None:
        status = watch(house)
        task = house.loop.create_task(status.run(house.trader, house.stepper))
        by_hand.refuse_for_good(house.venue, "GET", "/fapi/v1/exchangeInfo")
        await house.pass_s(23 * 3600)
        assert house.health.problem(BTC) == ""
        await house.pass_s(2 * 3600)
        assert house.health.problem(BTC) == "contract: its status could not be read for a day; clears when it can"
        by_hand.refuse_for_good(house.venue, "GET", "/fapi/v1/exchangeInfo", None)
        await house.pass_s(3700)
        assert house.health.problem(BTC) == ""
        task.cancel()

    in_house(test, reconcile_seconds=600.0)


def test_what_to_do_about_a_position_is_said_where_something_can_be_done() -> None:
    ends = binance(deliveryDate=NOW_MS + DAY_MS)
    assert f"; {way_out(ends)}" == HOW
    assert way_out(binance(status="BREAK", deliveryDate=NOW_MS)) == (
        f"the position that is open is closed by `quarterdeck flatten {BTC}`, or F in the console for all, as soon as "
        "the exchange takes orders there"
    )
    # Taken off, or of a status that only is not known.
    assert [way_out(None), way_out(binance())] == ["", ""]


def test_a_delisted_contract_stays_known_to_the_client() -> None:
    async def test(house: House) -> None:
        status = watch(house)
        by_hand.delist(house.venue, BTC)
        await status.read()
        status.judge({})
        assert house.health.problem(BTC).startswith("contract: the exchange does not list it any more")
        assert house.wire.unified(BTC) in house.wire.client.markets

    in_house(test)


def test_a_start_after_a_contract_was_taken_off_trades_the_others_and_remembers_it() -> None:
    async def test(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(3)
        await house.command(Verb.FLATTEN)
        await house.pass_s(5)
        wallet_usdt, trades = house.trader.state.ledger.wallet_usdt, house.trades
        assert [trade.symbol for trade in trades] == [BTC]
        await house.stop()
        by_hand.delist(house.venue, BTC)
        await house.start()
        await house.until_well()
        assert house.trader.state.traded == (ETH,)
        assert house.trader.state.ledger.wallet_usdt == wallet_usdt
        assert house.trades == trades
        await house.command(Verb.RESUME)
        await house.enter(ETH)
        await house.pass_s(35)
        assert house.book(ETH).lots > 0
        assert house.adjusted == []
        house.check_books()

    in_house(test)


def test_a_held_contract_that_is_settled_and_taken_off_ends_its_trade_and_no_other() -> None:
    """Its stop goes with it; nothing that is asked of it afterwards keeps the account from being compared."""

    async def test(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(5)
        assert house.book(BTC).lots > 0
        house.venue.liquidate(BTC, house.clock.now_ms())
        by_hand.delist(house.venue, BTC)
        house.desk.at_work.contracts.doubt(ETH, "its rules may have changed")
        await house.pass_s(120)
        assert house.book(BTC).lots == 0
        assert not house.book(BTC).orders
        assert [trade.symbol for trade in house.trades] == [BTC]
        assert (house.health.problem(), house.health.problem(ETH)) == ("", "")
        before_ms = house.desk.at_work.books.agreed_ms
        await house.pass_s(60)
        assert house.desk.at_work.books.agreed_ms > before_ms
        assert house.order(OrderRole.STOP, ETH) is not None

    in_house(test)


def test_a_start_after_a_held_contract_was_settled_and_taken_off_books_it_out() -> None:
    """Nobody can tell any more what it was settled at: the wallet is the exchange's, and the operator looks."""

    async def test(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH)
        await house.pass_s(5)
        held = house.book(ETH).lots
        await house.stop()
        house.venue.liquidate(BTC, house.clock.now_ms())
        by_hand.delist(house.venue, BTC)
        await house.start(beside=True)
        house.loop.create_task(watch(house).run(house.trader, house.stepper))
        await house.pass_s(120)
        assert house.book(BTC).lots == 0
        assert not house.book(BTC).orders
        assert house.book(ETH).lots == held
        assert house.order(OrderRole.STOP, ETH) is not None
        assert house.health.problem() == ""
        assert "contract: the exchange does not list it any more" in house.health.problem(BTC)
        assert [trade.symbol for trade in house.trades] == [BTC]
        assert house.trader.state.paused
        wallet_usdt = await house.exchange_venue.wallet_usdt()
        assert house.trader.state.ledger.wallet_usdt == wallet_usdt
        await house.stop()
        await house.start()
        await house.command(Verb.RESUME)
        await house.pass_s(5)
        assert house.trader.state.traded == (ETH,)
        assert house.health.problem() == ""
        assert house.trader.guard.halts() == ()

    in_house(test)


def test_what_a_listed_contract_is_refused_is_no_answer() -> None:
    async def test(house: House) -> None:
        await house.enter(BTC)
        await house.pass_s(3)
        no_contract = Answer(400, '{"code":-1121,"msg":"Invalid symbol."}', JSON)
        house.weather.once("GET", "/userTrades", Fate(Outcome.REPLACED, 10.0, 10.0, no_contract), times=10)
        with pytest.raises(VenueRejectedError, match="Invalid symbol"):
            await house.exchange_venue.trades_since(BTC, house.clock.now_ms() - 1_000)
        assert house.health.problem(BTC).startswith("rules: fetch_my_trades: Invalid symbol")
        by_hand.delist(house.venue, BTC)
        await house.wire.read("load_markets", True)
        assert await house.exchange_venue.trades_since(BTC, house.clock.now_ms() - 1_000) == []

    in_house(test)


def test_a_contract_that_was_never_traded_and_is_not_listed_is_refused() -> None:
    async def test(house: House) -> None:
        with pytest.raises(BadInputError, match=r"BTTUSDT: binanceusdm has no .*did you mean BTCUSDT"):
            await house.wire.load_symbols(("BTTUSDT", ETH), (BTC,))

    in_house(test)


def test_a_delisted_contract_keeps_no_other_from_being_looked_after() -> None:
    """ccxt refuses every question that names a contract which it does not know, although it is of others, too."""

    async def test(house: House) -> None:
        await house.enter(ETH)
        await house.pass_s(3)
        by_hand.delist(house.venue, BTC)
        house.desk.at_work.contracts.doubt(ETH, "its rules may have changed")
        await house.pass_s(100)
        assert house.wire.unified(BTC) in house.wire.client.markets
        assert (house.health.problem(), house.health.problem(ETH)) == ("", "")
        compared_ms = house.desk.at_work.books.agreed_ms
        await house.command(Verb.FLATTEN)
        await house.pass_s(60)
        assert house.book(ETH).lots == 0
        assert house.desk.at_work.books.agreed_ms > compared_ms

    in_house(test)
