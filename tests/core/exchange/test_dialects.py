"""Everything that a dialect says ccxt cannot do, held against the ccxt that is installed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from ccxt.base.errors import ExchangeError
from ccxt.pro import apex, mexc

from core.domain.errors import RejectKind, SettingsError
from core.exchange.connection.outcome import Fate, failure_of
from core.exchange.dialects import EXCHANGES, check_live, dialect_of
from core.settings.schema import ExchangeSettings
from tests.venue.loopback import messages

ROOT = Path(__file__).parents[3]
MEXC_REST, MEXC_STREAMS = messages("mexc/rest"), messages("mexc/streams")


def says(method: Callable[..., Any], *texts: str) -> bool:
    return all(text in inspect.getsource(method) for text in texts)


def has_no(exchange: type, *names: str) -> bool:
    told = exchange().has
    return all(name in told or name == "fetchMarginMode" for name in names) and not any(
        told.get(name) for name in names
    )


def documented(name: str) -> dict[str, Any]:
    row: dict[str, Any] = MEXC_REST[name]["response"]["data"][0]
    return row


def trigger_orders_have_no_id_of_ours() -> bool:
    rows = documented("Trading/GetTriggerOrders"), MEXC_STREAMS["PlanOrder"]["received"][-1]["data"]
    return not any("externalOid" in row for row in rows) and not says(mexc.fetch_order, "lanorder")


def streams_a_balance_without_margin() -> bool:
    client, push = mexc(), MEXC_STREAMS["Balance"]["received"][-1]
    push["data"] |= {"availableBalance": 10, "positionMargin": 5}
    client.handle_balance(SimpleNamespace(resolve=lambda *_: None), push)
    return client.balance["swap"]["USDT"]["total"] == 10.0


def takes_the_equity_for_the_total() -> bool:
    balance = apex().parse_balance({"totalEquityValue": "120", "availableBalance": "80"})
    return balance["USDT"] == {"free": 80.0, "used": 40.0, "total": 120.0}


def makes_one_class_of_all_errors() -> bool:
    for code, key in ((3, "ORDER_SOMETHING"), (500, "SYSTEM_ERROR")):
        with pytest.raises(ExchangeError) as raised:
            apex().handle_errors(200, "", "", "POST", {}, "{}", {"code": code, "msg": "", "key": key}, None, None)
        assert type(raised.value) is ExchangeError
    return True


def needs_a_package_that_is_not_installed() -> bool:
    asked_for = (ROOT / "requirements.txt").read_text() + (ROOT / "pyproject.toml").read_text()
    return says(apex.get_zk_contract_signature_obj, "import apexpro.zklink_sdk") and "apexomni" not in asked_for


CHECKS: dict[str, list[tuple[str, Callable[[], bool]]]] = {
    "mexc": [
        ("no id of ours", trigger_orders_have_no_id_of_ours),
        ("after 7 days", lambda: says(mexc.create_swap_order, "executeCycle", "1: 24 hours,2: 7 days")),
        ("watchPositions", lambda: not mexc().has.get("watchPositions") and not hasattr(mexc, "handle_positions")),
        ("leaves out stop", lambda: not says(mexc.handle_message, "push.personal.plan.order")),
        ("refuses the sign-in", lambda: not says(mexc.handle_message, "'rs.")),
        (
            "one direction at a time",
            lambda: (
                says(mexc.set_leverage, "openType is None) or (positionType is None)")
                and says(mexc.set_margin_mode, "requires a leverage parameter", "positionType")
            ),
        ),
        ("leaves out the margin", streams_a_balance_without_margin),
        ("fees of a MEXC", lambda: says(mexc.fetch_trading_fee, "supports spot markets only")),
        ("fetchOpenInterest", lambda: has_no(mexc, "fetchOpenInterest")),
        ("no test network", lambda: not mexc().urls.get("test") and not mexc().has.get("sandbox")),
    ],
    "apex": [
        ("apexomni", needs_a_package_that_is_not_installed),
        ("worst price", lambda: says(apex.create_order, "requires a price argument for market orders")),
        ("watchBalance", lambda: has_no(apex, "watchBalance")),
        ("equity", takes_the_equity_for_the_total),
        (
            "setMarginMode, setPositionMode",
            lambda: has_no(apex, "setMarginMode", "setPositionMode", "fetchPositionMode", "fetchMarginMode"),
        ),
        ("fetchLeverage", lambda: has_no(apex, "fetchLeverage") and bool(apex().has["setLeverage"])),
        ("fetchTradingFee", lambda: has_no(apex, "fetchTradingFee", "fetchTradingFees")),
        ("fetchFundingRate", lambda: has_no(apex, "fetchFundingRate") and bool(apex().has["fetchFundingRateHistory"])),
        ("fetchMarkOHLCV", lambda: has_no(apex, "fetchMarkOHLCV")),
        ("after 30 days", lambda: says(apex.create_order, "'expiration'", "30 * 24 * 60 * 60")),
        ("look alike", makes_one_class_of_all_errors),
    ],
}
CASES = [(name, *check) for name, checks in CHECKS.items() for check in checks]


@pytest.mark.parametrize(("name", "part", "is_true"), CASES, ids=[f"{name}: {part}" for name, part, _ in CASES])
def test_what_a_dialect_says_ccxt_lacks_is_so(name: str, part: str, is_true: Callable[[], bool]) -> None:
    assert len([sentence for sentence in dialect_of(name).lacks if part in sentence]) == 1
    assert is_true()


@pytest.mark.parametrize("name", CHECKS)
def test_no_sentence_goes_unchecked(name: str) -> None:
    unchecked = [said for said in dialect_of(name).lacks if not any(part in said for part, _ in CHECKS[name])]
    assert unchecked == []


@pytest.mark.parametrize(("name", "exchange"), [("mexc", mexc), ("apex", apex)])
def test_the_private_streams_are_those_of_ccxt(name: str, exchange: type) -> None:
    methods = {
        "orders": "watchOrders",
        "fills": "watchMyTrades",
        "balance": "watchBalance",
        "positions": "watchPositions",
    }
    assert dialect_of(name).streams == {stream for stream, method in methods.items() if exchange().has.get(method)}


REFUSED_LIVE = [exchange_id for exchange_id in EXCHANGES if dialect_of(exchange_id).live_blockers]


@pytest.mark.parametrize("exchange_id", REFUSED_LIVE)
def test_live_is_refused_in_one_clear_line(exchange_id: str) -> None:
    dialect = dialect_of(exchange_id)
    with pytest.raises(SettingsError) as refused:
        check_live(dialect)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(f'[exchange] id = "{dialect.id}": live trading is refused: ')
    assert line.endswith('; set mode = "paper"')
    assert all(why in line for why in dialect.live_blockers)


def test_live_is_open_on_binance() -> None:
    check_live(dialect_of("binanceusdm"))
    assert dialect_of("binanceusdm").lacks == ()


def test_an_exchange_has_a_folder_an_id_in_the_settings_its_checks_and_a_section_of_the_page() -> None:
    assert {path.parent.name for path in (ROOT / "core" / "exchange").glob("*/dialect.py")} == set(EXCHANGES)
    assert get_args(ExchangeSettings.model_fields["id"].annotation) == EXCHANGES
    assert {exchange_id for exchange_id in EXCHANGES if dialect_of(exchange_id).lacks} == set(CHECKS)
    page = (ROOT / "docs" / "exchanges.md").read_text(encoding="utf-8")
    intro, _, rest = page.partition("\n## ")
    called = dict(re.findall(r"`(\w+)` \(([^)]+)\)", " ".join(intro.split())))
    assert set(called) == set(EXCHANGES)
    columns = [cell.strip() for cell in re.findall(r"^\| \|(.+)\|$", intro, re.MULTILINE)[0].split("|")]
    for heads in (columns, re.findall(r"^## (.+)$", rest, re.MULTILINE)):
        assert [name for name in called.values() if not name.startswith(tuple(heads))] == []


def test_an_unknown_exchange_is_named() -> None:
    with pytest.raises(SettingsError, match="'kraken' is not known"):
        dialect_of("kraken")


@pytest.mark.parametrize("name", CHECKS)
def test_the_page_on_exchanges_says_all_of_it(name: str) -> None:
    page = " ".join((ROOT / "docs" / "exchanges.md").read_text(encoding="utf-8").split())
    dialect = dialect_of(name)
    assert [said for said in (*dialect.lacks, *dialect.live_blockers) if said not in page] == []


@pytest.mark.parametrize(
    ("exchange_id", "code", "kind", "way_out"),
    [
        ("binanceusdm", -2022, RejectKind.REDUCE_ONLY, ""),
        ("binanceusdm", 2009, RejectKind.OTHER, ""),
        ("mexc", 2009, RejectKind.REDUCE_ONLY, ""),
        ("mexc", -2022, RejectKind.OTHER, ""),
        ("mexc", 402, RejectKind.NO_PERMISSION, "; the API key has expired: make another"),
        ("apex", 402, RejectKind.OTHER, ""),
        ("apex", 20006, RejectKind.NO_PERMISSION, "; the secret, passphrase or seeds do not belong to the API key"),
        ("mexc", 20006, RejectKind.OTHER, ""),
    ],
)
def test_a_code_means_what_the_exchange_at_hand_says(
    exchange_id: str, code: int, kind: RejectKind, way_out: str
) -> None:
    error = ExchangeError(f'{exchange_id} {{"code":{code},"msg":"no"}}')
    failure = failure_of(error, "create_order", 0, dialect_of(exchange_id).codes, secrets=())
    assert (failure.fate, failure.kind) == (Fate.REFUSED, kind)
    assert failure.text.startswith(f"create_order: no ({code}){way_out}")
    assert failure.text.endswith(")") is not bool(way_out)


@pytest.mark.parametrize("exchange_id", EXCHANGES)
def test_a_code_means_one_thing(exchange_id: str) -> None:
    codes = dialect_of(exchange_id).codes
    tables = (set(codes.kinds), codes.stale, codes.busy, codes.unknown)
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert not codes.too_many or codes.too_many in codes.busy


def test_common_code_names_no_exchange_and_none_of_its_methods() -> None:
    own = {ROOT / "core" / "exchange" / exchange_id for exchange_id in EXCHANGES}
    named = re.compile(rf"""["'](?:{"|".join(EXCHANGES)})["']|\b(?:fapi|sapi|contract)(?:Private|Public|Get)""")
    for path in [*(ROOT / "core" / "exchange").rglob("*.py"), *(ROOT / "core" / "market" / "live").rglob("*.py")]:
        if path.parent not in own:
            assert not named.search(path.read_text(encoding="utf-8")), path
