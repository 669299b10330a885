import asyncio
import logging
import traceback

import aiohttp
import ccxt
import pytest

from core.domain.errors import (
    BadInputError,
    QuarterdeckError,
    RejectKind,
    UnavailableError,
    VenueBusyError,
    VenueRejectedError,
    VenueUnknownError,
)
from core.exchange.connection.requests import READ_TRIES, READ_WAIT_MS
from core.exchange.dialects import dialect_of
from tests.core.exchange.wire_kit import (
    KEYS,
    ORDER,
    START_MS,
    Answer,
    Asked,
    Exchange,
    Script,
    error,
    order_answer,
    run,
    wire_to,
)


def paths(exchange: Exchange) -> list[str]:
    return [f"{asked.method} {asked.path}" for asked in exchange.asked]


def answering(*answers: Answer | Exception) -> Script:
    """Each answer once to what is not a question for the time, then orders are taken."""
    left = list(answers)

    async def script(asked: Asked) -> Answer | None:
        if asked.path.endswith("/time"):
            return None
        if not left:
            return order_answer(asked)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return script  # type: ignore[return-value]


def test_an_order_goes_out_signed_by_the_exchange_s_time() -> None:
    async def work() -> None:
        exchange = Exchange(answering())
        wire = await wire_to(exchange, wrong_ms=-3_600_000)
        await wire.time.measure()
        row = await wire.send("create_order", *ORDER)
        assert row["id"] == "22542179"
        asked = exchange.asked[-1]
        assert (asked.method, asked.path) == ("POST", "/fapi/v1/order")
        assert abs(int(asked.params["timestamp"]) - exchange.clock.now_ms()) < 50
        assert asked.params["recvWindow"] == "5000"
        assert asked.headers["X-MBX-APIKEY"] == KEYS.api_key

    run(work())


def test_symbols_are_translated_both_ways_and_unknown_ones_named() -> None:
    async def work() -> None:
        wire = await wire_to(Exchange())
        assert wire.unified("BTCUSDT") == "BTC/USDT:USDT"
        assert wire.symbol("BTC/USDT:USDT") == "BTCUSDT"
        assert wire.symbol("XRP/USDT:USDT") == "XRP/USDT:USDT"
        with pytest.raises(BadInputError, match=r"BTCUSTD: .* did you mean BTCUSDT"):
            await wire.load_symbols(["BTC_USTD"])

    run(work())


def test_a_wrong_time_is_measured_and_the_order_sent_once_more_under_its_id() -> None:
    async def work() -> None:
        async def script(asked: Asked) -> Answer | None:
            if asked.path.endswith("/order"):
                ahead_ms = int(asked.params["timestamp"]) - exchange.clock.now_ms()
                return error(-1021, "Timestamp outside of recvWindow") if abs(ahead_ms) > 1000 else order_answer(asked)
            return None

        exchange = Exchange(script)  # type: ignore[arg-type]
        wire = await wire_to(exchange, wrong_ms=5000)
        await wire.send("create_order", *ORDER)
        orders = [asked for asked in exchange.asked if asked.path.endswith("/order")]
        assert len(orders) == 2
        assert len({asked.params["newClientOrderId"] for asked in orders}) == 1
        assert abs(wire.clock.offset_ms + 5000) < 50

    run(work())


def test_a_time_that_stays_wrong_ends_as_turned_away_after_one_more_try() -> None:
    async def work() -> None:
        exchange = Exchange(answering(*[error(-1021)] * 5))
        wire = await wire_to(exchange)
        with pytest.raises(VenueBusyError):
            await wire.send("create_order", *ORDER)
        assert paths(exchange).count("POST /fapi/v1/order") == 2

    run(work())


def test_sends_are_never_repeated() -> None:
    async def work() -> None:
        for answer, raised in (
            (Answer("bad gateway", 502, "Bad Gateway"), VenueUnknownError),
            (error(-1007, "Timeout waiting for response from backend server.", 408), VenueUnknownError),
            (aiohttp.ServerDisconnectedError(), VenueUnknownError),
            (aiohttp.ClientPayloadError("cut"), VenueUnknownError),
            (Answer('{"orderId": 22, "sta'), VenueUnknownError),
            (Answer({}), VenueUnknownError),
            (Answer("<html>hello</html>", headers={"Content-Type": "text/html"}), VenueUnknownError),
            (error(-1008, "overloaded", 503), VenueBusyError),
            (Answer("Service Unavailable.", 503, "Service Unavailable"), VenueBusyError),
            (error(-2019, "Margin is insufficient."), VenueRejectedError),
        ):
            exchange = Exchange(answering(answer))
            wire = await wire_to(exchange)
            with pytest.raises(raised) as caught:
                await wire.send("create_order", *ORDER)
            assert type(caught.value) is raised
            assert paths(exchange) == ["POST /fapi/v1/order"]

    run(work())


def test_no_answer_in_time_is_unknown() -> None:
    async def work() -> None:
        async def script(asked: Asked) -> Answer | None:
            await asyncio.sleep(30)
            return order_answer(asked)

        exchange = Exchange(script)  # type: ignore[arg-type]
        wire = await wire_to(exchange)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(VenueUnknownError, match="no answer within 1000 ms"):
            await wire.send("create_order", *ORDER, protective=True, timeout_ms=1000)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(1.0)
        with pytest.raises(VenueUnknownError, match="no answer within 5000 ms"):
            await wire.send("create_order", *ORDER)

    run(work())


def test_a_refusal_tells_its_kind_at_any_address() -> None:
    async def work() -> None:
        exchange = Exchange(answering(error(-2021, "Order would immediately trigger.")))
        wire = await wire_to(exchange, base_url="http://127.0.0.1:9")
        with pytest.raises(VenueRejectedError, match=r"Order would immediately trigger\. \(-2021\)") as caught:
            await wire.send("create_order", *ORDER)
        assert caught.value.kind is RejectKind.WOULD_TRIGGER

    run(work())


def test_reads_are_repeated_with_growing_pauses_and_then_given_up() -> None:
    async def work() -> None:
        exchange = Exchange(answering(Answer("no", 502, "Bad Gateway"), Answer({"positions": [], "assets": []})))
        wire = await wire_to(exchange)
        await wire.read("fetch_balance")
        assert len(exchange.asked) == 2

        exchange.asked.clear()
        exchange.script = answering(*[Answer("no", 502, "Bad Gateway")] * 9)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError, match="HTTP 502"):
            await wire.read("fetch_balance")
        assert len(exchange.asked) == READ_TRIES
        pauses_s = 1.5 * (READ_WAIT_MS + 2 * READ_WAIT_MS) / 1000
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(
            pauses_s + READ_TRIES * exchange.round_trip_s
        )

    run(work())


def test_a_refused_read_is_not_repeated() -> None:
    async def work() -> None:
        exchange = Exchange(answering(error(-2013, "Order does not exist.")))
        wire = await wire_to(exchange)
        with pytest.raises(VenueRejectedError) as caught:
            await wire.read("fetch_order", "1", "BTC/USDT:USDT")
        assert caught.value.kind is RejectKind.NOT_FOUND
        assert len(exchange.asked) == 1

    run(work())


def test_an_endpoint_that_is_not_there_is_refused_at_once() -> None:
    async def work() -> None:
        exchange = Exchange()
        wire = await wire_to(exchange)
        with pytest.raises(VenueRejectedError) as caught:
            await wire.read("fetch_position_mode")
        assert caught.value.kind is RejectKind.NOT_SUPPORTED
        assert len(exchange.asked) == 1

    run(work())


def test_a_429_holds_back_reads_but_not_protection() -> None:
    async def work() -> None:
        exchange = Exchange(answering(error(-1003, "Too many requests.", 429, **{"Retry-After": "20"})))
        wire = await wire_to(exchange)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(VenueBusyError) as caught:
            await wire.send("create_order", *ORDER)
        assert caught.value.retry_ms - wire.clock.now_ms() == pytest.approx(20_000, abs=50)
        with pytest.raises(VenueBusyError):
            await wire.send("create_order", *ORDER)
        assert len(exchange.asked) == 1
        await wire.send("create_order", *ORDER, protective=True)
        assert len(exchange.asked) == 2
        told = "requests: limited by the exchange (429) until 20:27:20 UTC; only what protects or closes is sent"
        assert wire.health.problem() == told
        exchange.script = answering(Answer({"positions": [], "assets": []}))
        await wire.read("fetch_balance")
        assert asyncio.get_running_loop().time() - began_s >= 20
        assert wire.health.problem() == ""

    run(work())


@pytest.mark.parametrize("seconds", [3, 7, 45])
def test_a_429_is_told_with_the_end_that_the_exchange_names_for_it(seconds: int) -> None:
    async def work() -> None:
        wire = await wire_to(
            Exchange(answering(error(-1003, "Too many requests.", 429, **{"Retry-After": f"{seconds}"})))
        )
        with pytest.raises(VenueBusyError) as caught:
            await wire.send("create_order", *ORDER)
        assert caught.value.retry_ms - wire.clock.now_ms() == pytest.approx(1000 * seconds, abs=50)
        end = f"20:27:{seconds:02d} UTC"
        assert str(caught.value).startswith(f"free again at {end}: create_order: Too many requests.")
        assert f"limited by the exchange (429) until {end}" in wire.health.problem()

    run(work())


def test_in_a_429_neither_what_can_wait_goes_out_nor_what_ccxt_asks_by_itself() -> None:
    async def work() -> None:
        exchange = Exchange(answering(error(-1003, "Too many requests.", 429, **{"Retry-After": "20"})))
        wire = await wire_to(exchange)
        with pytest.raises(VenueBusyError):
            await wire.send("create_order", *ORDER)
        assert wire.held_until_ms() - wire.clock.now_ms() == pytest.approx(20_000, abs=50)
        withdrawal = ("cancel_order", "1", "BTC/USDT:USDT")
        with pytest.raises(VenueBusyError, match="limits requests until 20:27:20 UTC; free in 20 s"):
            await wire.send(*withdrawal, protective=True, can_wait=True)
        with pytest.raises(ccxt.DDoSProtection, match="429 nothing was sent"):
            await wire.client.fapiPrivatePostListenKey()
        assert len(exchange.asked) == 1
        began_s = asyncio.get_running_loop().time()
        for _ in range(3):
            await wire.send("create_order", *ORDER, protective=True)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(2, abs=0.1)
        await asyncio.sleep(18)
        exchange.script = answering(Answer({"orderId": 1, "symbol": "BTCUSDT", "status": "CANCELED"}), Answer({}))
        await wire.send(*withdrawal, protective=True, can_wait=True)
        await wire.client.fapiPrivatePostListenKey()
        assert len(exchange.asked) == 6

    run(work())


def test_what_keeps_an_exit_from_going_out_is_said() -> None:
    async def work() -> None:
        wire = await wire_to(Exchange(answering(*[aiohttp.ClientConnectionError("reset")] * 3)))
        for _ in range(3):
            assert wire.holds() == ""
            with pytest.raises(VenueUnknownError):
                await wire.send("create_order", *ORDER, protective=True)
        assert wire.holds() == "binanceusdm does not answer: orders are sent again until it does"

    run(work())


def test_a_ban_lets_nothing_out_is_told_and_clears_with_the_next_answer() -> None:
    async def work() -> None:
        until_ms = START_MS + 300_000
        text = f"Way too many requests; IP(9.9.9.9) banned until {until_ms}."
        exchange = Exchange(answering(error(-1003, text, 418)))
        wire = await wire_to(exchange)
        for _ in range(3):
            with pytest.raises(VenueBusyError) as caught:
                await wire.send("create_order", *ORDER, protective=True)
            assert caught.value.retry_ms == until_ms
        with pytest.raises(VenueBusyError):
            await wire.read("fetch_time")
        with pytest.raises(ccxt.DDoSProtection, match="nothing was sent"):
            await wire.client.fapiPrivatePostListenKey()
        assert len(exchange.asked) == 1
        assert wire.health.problem().startswith("requests: banned by the exchange")
        await asyncio.sleep(300)
        await wire.send("create_order", *ORDER)
        assert wire.health.problem() == ""

    run(work())


def test_an_answer_on_its_way_when_a_ban_begins_does_not_end_it() -> None:
    async def work() -> None:
        async def script(asked: Asked) -> Answer | None:
            if asked.path.endswith("/account"):
                await asyncio.sleep(1)
                return Answer({"positions": [], "assets": []})
            return error(-1003, "banned", 418, **{"Retry-After": "60"})

        exchange = Exchange(script)  # type: ignore[arg-type]
        wire = await wire_to(exchange)
        slow = asyncio.ensure_future(wire.read("fetch_balance"))
        with pytest.raises(VenueBusyError):
            await wire.send("create_order", *ORDER)
        await slow
        assert wire.health.problem().startswith("requests: banned")

    run(work())


def test_limits_are_those_of_the_exchange() -> None:
    async def work() -> None:
        exchange = Exchange()
        exchange.limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 20}]
        wire = await wire_to(exchange)
        for _ in range(11):
            await wire.read("fetch_time")
        with pytest.raises(VenueBusyError):
            await wire.send("cancel_order", "1", "BTC/USDT:USDT")
        assert len(exchange.asked) == 11

    run(work())


def test_an_answer_without_a_time_is_no_time() -> None:
    async def work() -> None:
        exchange = Exchange(answering())
        exchange.script = lambda asked: no_time()
        wire = await wire_to(exchange)
        with pytest.raises(UnavailableError, match="holds no time"):
            await wire.time.measure()

    async def no_time() -> Answer:
        return Answer({"time": "now"})

    run(work())


def test_used_weight_of_other_programs_counts() -> None:
    async def work() -> None:
        exchange = Exchange(
            answering(Answer({"positions": [], "assets": []}, headers={"X-MBX-USED-WEIGHT-1M": "2300"}))
        )
        wire = await wire_to(exchange)
        await wire.read("fetch_balance")
        with pytest.raises(VenueBusyError, match="rate limit is used up"):
            await wire.send("create_order", *ORDER)
        await wire.send("create_order", *ORDER, protective=True)

    run(work())


def test_what_ccxt_asks_by_itself_counts_as_well() -> None:
    async def work() -> None:
        exchange = Exchange(answering(error(-1003, "Too many requests.", 429, **{"Retry-After": "20"})))
        wire = await wire_to(exchange)
        with pytest.raises(Exception, match="429"):
            await wire.client.fetch_balance()
        with pytest.raises(VenueBusyError):
            await wire.send("create_order", *ORDER)

    run(work())


def test_silence_is_a_problem_of_health_until_the_next_answer() -> None:
    async def work() -> None:
        exchange = Exchange(answering(*[aiohttp.ServerDisconnectedError()] * 3))
        wire = await wire_to(exchange)
        for _ in range(2):
            with pytest.raises(VenueUnknownError):
                await wire.send("create_order", *ORDER)
        assert wire.health.problem() == ""
        with pytest.raises(VenueUnknownError):
            await wire.send("create_order", *ORDER)
        assert wire.health.problem() == "requests: binanceusdm does not answer; clears with its next answer"
        await wire.send("create_order", *ORDER)
        assert wire.health.problem() == ""

    run(work())


@pytest.mark.parametrize(
    ("method", "args", "weight"),
    [
        ("fetch_ohlcv", ("BTC/USDT:USDT", "1m", 0, 1000), 5),
        ("fetch_ohlcv", ("BTC/USDT:USDT", "1m", 0, 90), 1),
        ("fetch_ohlcv", ("BTC/USDT:USDT", "1m"), 5),
        ("fetch_ohlcv", ("BTC/USDT:USDT", "1m", 0, 1500), 10),
        ("fetch_mark_ohlcv", ("BTC/USDT:USDT", "1m", 0, 1000), 5),
        ("fetch_mark_ohlcv", ("BTC/USDT:USDT", "1m", 0, 1500), 10),
        ("fetch_order_book", ("BTC/USDT:USDT", 1000), 20),
        ("fetch_order_book", ("BTC/USDT:USDT", 10), 2),
        ("fetch_open_orders", ("BTC/USDT:USDT",), 1),
        ("fetch_open_orders", (), 40),
        ("fetch_positions", (), 5),
        ("create_order", ORDER, 1),
    ],
)
def test_weights_are_those_binance_documents(method: str, args: tuple[object, ...], weight: int) -> None:
    assert dialect_of("binanceusdm").weight_of(method, args, {}) == weight
    assert dialect_of("mexc").weight_of(method, args, {}) == 1


def test_no_secret_is_in_an_error_its_chain_or_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> list[str]:
        said: list[str] = []
        for answer in (
            Answer("no", 502, "Bad Gateway"),
            aiohttp.ServerDisconnectedError(),
            error(-2015, f"Invalid API-key {KEYS.api_key}, IP, or permissions."),
            Answer(f"<html>{KEYS.secret}</html>", 503, "Service Unavailable"),
            error(-1021),
        ):
            exchange = Exchange(answering(*[answer] * 4))
            wire = await wire_to(exchange)
            for calling in (wire.send("create_order", *ORDER), wire.read("fetch_balance")):
                with pytest.raises(QuarterdeckError) as caught:
                    await calling
                assert caught.value.__cause__ is None
                assert caught.value.__context__ is None
                said.append("".join(traceback.format_exception(caught.value)))
            signatures.update(asked.params.get("signature", "none") for asked in exchange.asked)
        return said

    signatures: set[str] = set()
    with caplog.at_level(logging.DEBUG):
        said = run(work())
    assert len(said) == 10
    text = "\n".join([*said, caplog.text])
    for secret in (*KEYS.secrets(), *signatures - {"none"}):
        assert secret not in text
