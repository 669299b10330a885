from collections.abc import Callable
from typing import Any

import pytest

from core.clock import ExchangeClock, VirtualClock
from core.domain.finding import Finding
from core.exchange import doctor
from core.exchange.connection.client import build_client
from core.exchange.connection.keys import Keys
from core.exchange.dialects import dialect_of
from core.exchange.doctor import diagnose
from core.exchange.mexc.dialect import MexcSwap
from core.settings.schema import Settings, parse_settings
from tests.core.exchange import wire_kit
from tests.core.exchange.wire_kit import KEYS, Answer, Asked, Exchange, LoopClock, PlainDialect, error, run, symbol_row
from tests.venue import apex, mexc


def balance(usdt: str) -> dict[str, Any]:
    assets = [{"asset": "USDT", "marginBalance": usdt, "initialMargin": "0", "updateTime": 1}]
    return {"assets": assets, "positions": []}


GOOD: dict[str, Any] = {
    "/fapi/v3/account": balance("1234.5"),
    "/sapi/v1/account/apiRestrictions": {"ipRestrict": True, "enableFutures": True, "enableWithdrawals": False},
    "/fapi/v1/positionSide/dual": {"dualSidePosition": False},
    "/fapi/v1/symbolConfig": [
        {"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 3},
        {"symbol": "ETHUSDT", "marginType": "ISOLATED", "leverage": 20},
    ],
    "/fapi/v1/feeBurn": {"feeBurn": False},
    "/fapi/v1/order/test": {},
    "/fapi/v1/multiAssetsMargin": {"multiAssetsMargin": False},
    "/fapi/v1/leverageBracket": [
        {
            "symbol": symbol,
            "brackets": [{"bracket": 1, "initialLeverage": 75, "notionalCap": 1e5, "maintMarginRatio": 0.01}],
        }
        for symbol in ("BTCUSDT", "ETHUSDT")
    ],
    "/fapi/v1/commissionRate": {"makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"},
}


def settings(**changes: Any) -> Settings:
    return parse_settings({"exchange": {"symbols": ["BTCUSDT", "ETHUSDT"]}, **changes}, "test")


Examine = Callable[..., dict[str, Finding]]


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """The findings about an exchange in memory that answers as GOOD says, but for `changes`."""

    def findings(
        changes: dict[str, Any] | None = None,
        keys: Keys | None = KEYS,
        wrong_ms: int = 0,
        symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"),
        dialect: Any = None,
        **sections: Any,
    ) -> list[Finding]:
        answers = {**GOOD, **(changes or {})}

        async def script(asked: Asked) -> Answer | None:
            answer = answers.get(asked.path)
            return answer if answer is None or isinstance(answer, Answer) else Answer(answer)

        def built(*args: Any) -> Any:
            client = build_client(*args)
            client.own_session = False
            client.session = Exchange(script)  # type: ignore[arg-type]
            return client

        monkeypatch.setattr(doctor, "build_client", built)
        clock = ExchangeClock(LoopClock(wrong_ms))
        return run(diagnose(settings(**sections), keys, clock, dialect or PlainDialect(), symbols))

    return findings


@pytest.fixture
def examine(findings: Callable[..., list[Finding]]) -> Examine:
    return lambda *args, **changes: {finding.name: finding for finding in findings(*args, **changes)}


def test_a_good_account_is_ready_for_live(examine: Examine) -> None:
    found = examine(mode="live")
    assert all(finding.ok and not finding.mend for finding in found.values())
    assert {name: finding.detail for name, finding in found.items()} == {
        "exchange reachable": "the address of binanceusdm answers",
        "clock": "this machine is +0 ms from the exchange, within 10 ms",
        "API key": "present, tag TAG1",
        "account": "readable, 1,234.50 USDT",
        "futures right": "granted",
        "withdrawal right": "none",
        "key IP list": "restricted to listed addresses",
        "position mode": "one-way",
        "leverage BTCUSDT": "cross, 3x",
        "leverage ETHUSDT": "isolated, 20x; a live start sets cross, 3x",
        "fees in BNB": "off",
        "multi-assets mode": "off",
        "trading right": "granted: an order was tested and not placed",
        "contract BTCUSDT": "tick 0.1 USDT, lot 0.001 BTC, at least 100 USDT, up to 75x, fees 2 (maker) and 5 bps",
        "contract ETHUSDT": "tick 0.1 USDT, lot 0.001 ETH, at least 100 USDT, up to 75x, fees 2 (maker) and 5 bps",
        "exchange verdict": "ready for live",
    }
    assert list(found)[-1] == "exchange verdict"


@pytest.mark.parametrize(
    ("path", "answer", "name", "detail"),
    [
        (
            "/sapi/v1/account/apiRestrictions",
            {"ipRestrict": False, "enableFutures": True, "enableWithdrawals": False},
            "key IP list",
            "the key works from any address",
        ),
        (
            "/sapi/v1/account/apiRestrictions",
            {"ipRestrict": True, "enableFutures": True, "enableWithdrawals": True},
            "withdrawal right",
            "the key may withdraw",
        ),
        ("/fapi/v1/feeBurn", {"feeBurn": True}, "fees in BNB", "on: fees leave the BNB wallet"),
        ("/fapi/v1/multiAssetsMargin", {"multiAssetsMargin": True}, "multi-assets mode", "on: other assets are margin"),
        ("/fapi/v3/account", balance("99.99"), "balance", "99.99 USDT, under 100: the least orders may be more than"),
        ("/fapi/v3/account", balance("0"), "balance", "0.00 USDT, under 100"),
    ],
)
def test_warnings_are_told_and_stop_nothing(examine: Examine, path: str, answer: Any, name: str, detail: str) -> None:
    found = examine({path: answer}, mode="live")
    assert [one.name for one in found.values() if not one.ok] == [name, "exchange verdict"]
    assert found[name].detail.startswith(detail)
    assert found[name].mend
    assert found["exchange verdict"] == Finding(
        "exchange verdict", False, f"live starts, but look at: {name}", "mend what is marked NOT above"
    )


def test_a_contract_that_is_not_traded_now_is_told_and_stops_nothing(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def row(base: str) -> dict[str, Any]:
        return symbol_row(base) | ({"status": "SETTLING"} if base == "ETH" else {})

    monkeypatch.setattr(wire_kit, "symbol_row", row)
    found = examine(mode="live")
    assert found["status ETHUSDT"] == Finding(
        "status ETHUSDT",
        False,
        "it is being settled; clears when the exchange trades it",
        "until then it is not entered; trade another contract",
    )
    assert found["exchange verdict"].ok is False
    assert found["exchange verdict"].detail == "live starts, but look at: status ETHUSDT"


@pytest.mark.parametrize(
    ("path", "answer", "name"),
    [
        ("/fapi/v3/account", error(-2015, "Invalid API-key, IP, or permissions for action."), "account"),
        ("/fapi/v1/positionSide/dual", {"dualSidePosition": True}, "position mode"),
        (
            "/sapi/v1/account/apiRestrictions",
            {"ipRestrict": True, "enableFutures": False, "enableWithdrawals": False},
            "futures right",
        ),
        ("/fapi/v1/order/test", error(-2015, "Invalid API-key, IP, or permissions for action."), "trading right"),
    ],
)
def test_what_stops_live_is_named_in_the_verdict(examine: Examine, path: str, answer: Any, name: str) -> None:
    live = examine({path: answer}, mode="live")
    assert not live[name].ok
    assert live["exchange verdict"] == Finding(
        "exchange verdict", False, f"ready for paper; not for live: {name}", "mend what is named above"
    )
    paper = examine({path: answer}, mode="paper")
    assert paper["exchange verdict"] == live["exchange verdict"]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/sapi/v1/account/apiRestrictions", ["key permissions", "key IP list"]),
        ("/fapi/v1/positionSide/dual", ["position mode"]),
        ("/fapi/v1/symbolConfig", ["leverage BTCUSDT", "leverage ETHUSDT"]),
        ("/fapi/v1/feeBurn", ["fees in BNB"]),
        ("/fapi/v1/multiAssetsMargin", ["multi-assets mode"]),
        ("/fapi/v1/order/test", ["trading right"]),
    ],
)
def test_what_the_exchange_does_not_tell_is_unknown_and_never_ok(examine: Examine, path: str, names: list[str]) -> None:
    found = examine({path: Answer({}, 404, "Not Found")}, mode="live")
    assert [name for name, one in found.items() if one.detail.startswith("unknown: ")] == names
    assert [name for name, one in found.items() if one.ok is None] == [*names, "exchange verdict"]
    assert not any(one.ok is False for one in found.values())
    assert found["exchange verdict"].detail == (f"ready for live as far as is known; not known: {', '.join(names)}")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (
            "/fapi/v1/leverageBracket",
            "not told and assumed its largest leverage (20x) and its maintenance margin (2.5 %): up to 20x",
        ),
        ("/fapi/v1/commissionRate", "not told and assumed its fees (those of the settings): up to 75x"),
    ],
)
def test_terms_that_are_assumed_are_not_told_as_known(examine: Examine, path: str, told: str) -> None:
    found = examine({path: Answer({}, 404, "Not Found")}, mode="live")
    assert found["contract BTCUSDT"].ok is None
    assert told in found["contract BTCUSDT"].detail
    assert "contract BTCUSDT" in found["exchange verdict"].detail


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (error(-2022, "ReduceOnly Order is rejected."), True),
        (error(-2019, "Margin is insufficient."), True),
        (error(-4061, "Order's position side does not match user's setting."), None),
        (error(-1000, "Unknown error."), None),
        (error(-2014, "API-key format invalid.", 401), False),
    ],
)
def test_what_an_order_that_is_only_tested_shows(examine: Examine, answer: Any, ok: bool | None) -> None:
    assert examine({"/fapi/v1/order/test": answer})["trading right"].ok is ok


def test_without_keys_it_is_ready_for_paper(examine: Examine) -> None:
    live = examine(keys=None, mode="live")
    assert live["API key"].ok is False
    assert "QUARTERDECK_API_KEY" in live["API key"].mend
    found = examine(keys=None, mode="paper")
    assert found["API key"] == Finding("API key", True, "none; paper needs none, live does")
    assert found["exchange verdict"] == Finding("exchange verdict", True, "ready for paper; not for live: API key")
    assert "account" not in found
    assert found["contract BTCUSDT"].ok
    assert found["contract BTCUSDT"].detail.endswith("assumed without an account: up to 20x, fees 2 (maker) and 5 bps")


def test_an_exchange_out_of_reach_ends_the_examination(examine: Examine) -> None:
    found = examine({"/fapi/v1/time": Answer("no", 502, "Bad Gateway")})
    assert list(found) == ["exchange reachable", "exchange verdict"]
    assert found["exchange verdict"].detail == "not ready: exchange reachable"


def test_of_a_test_account_every_verdict_says_so_and_none_is_for_paper(examine: Examine) -> None:
    """Its hosts have no endpoint that tells the rights of a key: asked for, they would never be known."""
    test = {"base_url": "http://127.0.0.1:1", "testnet": True}
    found = examine(mode="live", exchange=test)
    assert found["exchange reachable"].detail == "TESTNET, http://127.0.0.1:1 answers"
    assert found["exchange verdict"] == Finding("exchange verdict", True, "TESTNET: ready for live")
    assert "withdrawal right" not in found
    found = examine(keys=None, exchange=test)
    assert "QUARTERDECK_TESTNET_API_KEY" in found["API key"].mend
    assert found["exchange verdict"].detail == "TESTNET: not ready: API key"
    assert found["exchange verdict"].ok is False


def test_a_ban_is_no_fault_of_the_network_or_the_settings(examine: Examine) -> None:
    banned = error(-1003, "Way too many requests; IP(1.2.3.4) banned until 1800000000000.", 418)
    found = examine({"/fapi/v1/time": banned})
    assert found["exchange reachable"].mend == (
        "ask again after 08:00:00 UTC: the exchange was reached, and wants no request before"
    )
    assert found["exchange verdict"].detail == "not ready: exchange reachable"


def test_an_address_that_takes_no_keys_is_a_finding(examine: Examine) -> None:
    found = examine(exchange={"base_url": "http://exchange.invalid"})
    assert "keys and orders go over https alone" in found["exchange address"].detail
    assert found["exchange address"].mend == "correct exchange.base_url, or leave it empty"
    assert found["exchange verdict"].detail == "not ready: exchange address"


def test_what_is_wrong_and_what_is_not_known_are_named_together(examine: Examine) -> None:
    found = examine(
        {"/fapi/v1/feeBurn": {"feeBurn": True}, "/fapi/v1/multiAssetsMargin": error(-1000, "?")}, mode="live"
    )
    assert found["multi-assets mode"].ok is None
    assert found["exchange verdict"].detail == "live starts, but look at: fees in BNB, multi-assets mode"


def test_a_clock_that_is_off_is_told(examine: Examine) -> None:
    found = examine(wrong_ms=2500, mode="live")
    assert found["clock"].detail == "this machine is +2500 ms from the exchange, within 10 ms"
    assert "NTP" in found["clock"].mend
    assert found["exchange verdict"].detail == "live starts, but look at: clock"


def test_an_unknown_contract_is_named_and_the_others_examined(examine: Examine) -> None:
    found = examine(symbols=("BTC/USDT:USDT", "ETHUSD"))
    assert found["contract BTCUSDT"].ok
    assert "did you mean ETHUSDT" in found["contract ETHUSD"].detail
    assert found["exchange verdict"].detail == "not ready: contract ETHUSD"


def test_more_leverage_than_the_contract_has_stops_live(examine: Examine) -> None:
    found = examine(mode="live", account={"leverage": 100})
    assert "75 or less" in found["contract BTCUSDT"].mend
    assert found["exchange verdict"].detail == "ready for paper; not for live: contract BTCUSDT, contract ETHUSDT"


def test_what_ccxt_lacks_and_why_live_is_refused_is_said(findings: Callable[..., list[Finding]]) -> None:
    class LackingDialect(PlainDialect):
        id = "mexc"
        lacks = MexcSwap().lacks
        live_blockers = MexcSwap().live_blockers

    found = findings(dialect=LackingDialect(), mode="live")
    assert [one.detail for one in found if one.name == "mexc limits"] == list(MexcSwap().lacks)
    refused = [one for one in found if one.name == "mexc live"]
    assert [one.detail for one in refused] == list(MexcSwap().live_blockers)
    assert not any(one.ok for one in refused)
    assert found[-1].detail == "ready for paper; not for live: mexc live"


@pytest.mark.parametrize(
    ("exchange_id", "loopback", "account"),
    [
        ("mexc", mexc.MexcLoopback, "readable, 1,000.00 USDT"),
        ("apex", apex.ApexLoopback, "readable, 1,000.00 USDT"),
    ],
)
async def test_the_other_exchanges_are_ready_for_paper_and_say_why_not_for_live(
    exchange_id: str, loopback: Any, account: str
) -> None:
    async with loopback() as served:
        keys = Keys(
            served.account.key, served.account.secret, getattr(served.account, "passphrase", ""), "0x" + "11" * 65
        )
        told = parse_settings({"mode": "paper", "exchange": {"id": exchange_id, "base_url": served.url}}, "test")
        clock = ExchangeClock(VirtualClock(mexc.NOW_MS if exchange_id == "mexc" else apex.NOW_MS))
        dialect = dialect_of(exchange_id)
        found = await diagnose(told, keys, clock, dialect, ["BTCUSDT"])
    assert [one.detail for one in found if one.name == f"{exchange_id} limits"] == list(dialect.lacks)
    assert [one.detail for one in found if one.name == f"{exchange_id} live"] == list(dialect.live_blockers)
    by_name = {one.name: one for one in found}
    assert by_name["account"].detail == account
    assert by_name["key permissions"].detail.startswith("unknown: ")
    assert by_name["contract BTCUSDT"].ok is None
    assert by_name["exchange verdict"].detail == f"ready for paper; not for live: {exchange_id} live"
