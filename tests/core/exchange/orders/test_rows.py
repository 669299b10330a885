"""Rows of the exchange that lack what everything later leans on: refused where they enter, each in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import DataError, UnavailableError
from core.exchange.binanceusdm.words import WORDS
from core.exchange.markets.contracts import Terms, instrument_of
from core.exchange.orders.ids import is_number_id, is_word_id
from core.exchange.orders.rows import RowReader, part, readable
from core.exchange.orders.translate import exact, number_told, position_lots, shown, wallet_usdt
from core.settings.schema import parse_settings
from tests.core.trader.desk import make_instrument

NOW_MS = 1_780_000_020_000
BTC = make_instrument("BTCUSDT", "0.1", "0.001")
NASTY = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["1e40", "-1e40", "1e-400", "NaN", "sNaN", "Infinity", "9" * 5000, 10**5000, "\ud800", "\x1b[2J"])
    | st.lists(st.none(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=2)
)


class _Clock:
    def now_ms(self) -> int:
        return NOW_MS


class _Dialect:
    is_id = staticmethod(is_number_id)


class _Wire:
    clock, dialect = _Clock(), _Dialect()


def outcome(read: Callable[[], Any]) -> tuple[Any, str]:
    """What was read, or the refusal."""
    try:
        return read(), ""
    except (DataError, UnavailableError) as error:
        return None, str(error)


READER = RowReader(_Wire())  # type: ignore[arg-type]
TRADE = {
    "symbol": "BTC/USDT:USDT",
    "id": "7",
    "order": "9",
    "side": "sell",
    "amount": 0.053,
    "price": 69080.2,
    "timestamp": NOW_MS,
    "info": {},
}
ORDER = {"symbol": "BTC/USDT:USDT", "id": "9", "clientOrderId": "qd1", "status": "open", "info": {}}
POSITION = {"symbol": "BTC/USDT:USDT", "contracts": 0.053, "side": "long", "info": {}}
INCOME = {"id": "3", "timestamp": NOW_MS, "info": {}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "with the id None"),
        ({"id": "sNaN"}, "with the id 'sNaN'"),
        ({"order": "1e40"}, "with the order '1e40'"),
        ({"side": "infinity"}, "the trade 7 of 'BTC/USDT:USDT' with the side 'infinity'"),
        ({"timestamp": 2**63}, "with the time 9223372036854775808"),
        ({"timestamp": NOW_MS + 3_600_001}, "with the time"),
        ({"timestamp": True}, "with the time True"),
        ({"amount": 0}, "the amount of the trade 7"),
        ({"amount": -1}, "the amount of the trade 7"),
        ({"price": 1e40}, "which cannot be"),
        ({"price": None}, "which is no number"),
        ({"symbol": None}, "a trade of the contract None"),
    ],
)
def test_a_trade_that_cannot_be_is_refused_in_one_line(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as refused:
        READER.trade(TRADE | change)
    assert said in str(refused.value)
    assert READER.trade(TRADE) == TRADE


def test_a_position_that_does_not_say_how_much_is_not_one_of_nothing() -> None:
    for change in ({"contracts": None}, {"contracts": ""}, {"side": None}, {"contracts": -1}):
        with pytest.raises(DataError, match="the position in 'BTC/USDT:USDT'"):
            READER.position(POSITION | change)
    assert position_lots(READER.position(POSITION), BTC) == 53
    assert position_lots(READER.position({**POSITION, "contracts": 0.0, "side": None}), BTC) == 0


def test_a_wallet_that_is_not_told_is_not_one_of_nothing() -> None:
    for assets in ([{"asset": "USDT"}], [{"asset": "USDT", "walletBalance": None}], {}, [None], "x"):
        with pytest.raises(DataError):
            wallet_usdt({"info": {"assets": assets}}, WORDS)


def test_one_row_that_cannot_be_read_keeps_no_other_from_being_read() -> None:
    told: list[DataError] = []
    rows = [TRADE, None, TRADE | {"id": "8"}, TRADE | {"amount": "nonsense"}]
    assert [row["id"] for row in readable(rows, READER.trade, told.append)] == ["7", "8"]
    assert len(told) == 2
    assert readable(None, READER.trade, told.append) == []


@given(st.sampled_from([TRADE, ORDER, POSITION, INCOME]), st.data())
def test_whatever_stands_in_a_row_it_is_taken_or_refused(row: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(row)))
    spoiled = {**row, name: data.draw(NASTY)}
    reader = {"7": READER.trade, "9": READER.order, "3": READER.income}.get(row.get("id", ""), READER.position)
    taken, refusal = outcome(lambda: reader(spoiled))
    assert refusal.isprintable()
    assert len(refusal) < 300
    assert refusal or isinstance(taken["info"], dict)


@given(NASTY)
def test_a_number_is_one_that_can_be_or_none_at_all(value: Any) -> None:
    number, refusal = outcome(lambda: exact(value, "a price"))
    assert refusal.isprintable()
    assert (number_told(value) is None) == bool(refusal or not number)
    assert refusal or abs(number) < 10**15
    assert len(shown(value)) <= 60
    assert shown(value).isprintable()
    assert part({"a": value}, "a", "b") == {}


@given(st.sampled_from(["precision", "limits", "contractSize", "base", "info", "amount", "price", "min", "max"]), NASTY)
def test_rules_that_cannot_be_are_refused_as_such(name: str, value: Any) -> None:
    limits = {"amount": {"min": 0.001, "max": 1000.0}, "market": {"min": 0.001, "max": 120.0}, "cost": {"min": 5.0}}
    market: dict[str, Any] = {
        "base": "BTC",
        "contractSize": 1.0,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": limits,
        "info": {"liquidationFee": "0.0125"},
    }
    if name in market:
        market[name] = value
    elif name in ("amount", "price"):
        market["precision"][name] = value
    else:
        limits["market"][name] = value
    terms = Terms(*[BTC.maker_fee_bps] * 2, 20, BTC.maintenance_margin_pct)
    told, refusal = outcome(
        lambda: instrument_of("BTCUSDT", market, terms, parse_settings({}, "test"), WORDS.contract(market))
    )
    assert refusal.startswith("BTCUSDT: ") if told is None else min(told.tick_size, told.lot_size) > 0
    assert told is None or told.max_lots >= 1


@pytest.mark.parametrize("told", ["", "0", "-1", "1e40", "sNaN", "9223372036854775808", "9" * 5000, "٣", "7 "])
def test_a_number_of_an_order_is_one_that_a_database_counts(told: str) -> None:
    assert not is_number_id(told)
    assert is_number_id("9223372036854775807")


def test_an_id_of_words_has_nothing_in_it_that_a_terminal_obeys() -> None:
    assert is_word_id("739113577038255616")
    assert is_word_id("a1-B_2")
    assert not any(map(is_word_id, ("", "\x1b[2J", "a b", "x" * 65, "\ud800", "٣")))
