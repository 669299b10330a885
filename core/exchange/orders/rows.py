"""Rows as ccxt hands them on, looked at where they enter: what lacks what everything later leans on goes no further."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.domain.errors import DataError
from core.exchange.connection.wire import Row, Wire
from core.exchange.orders.translate import exact, shown

UNREADABLE = (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, RecursionError)
"""What reading a message of a shape that nobody expected raises, here or in ccxt."""

_FIRST_MS, _AHEAD_MS = 1_230_768_000_000, 3_600_000
"""2009 to an hour from now, for two clocks are never the same: what happened outside of it did not happen."""

_SIDES = ("buy", "sell")


class RowReader:
    """Each method returns the row that it was given, `info` an object in any case. They raise DataError."""

    def __init__(self, wire: Wire) -> None:
        self._clock = wire.clock
        self._is_id = wire.dialect.is_id

    def order(self, row: Any) -> Row:
        """Names its contract, and its order by at least one id."""
        checked = _with_symbol(row, "an order")
        what = f"an order of {shown(checked['symbol'])}"
        client_id = checked.get("clientOrderId")
        if client_id is not None and not isinstance(client_id, str):
            raise DataError(f"the exchange told {what} with the client id {shown(client_id)}")
        if checked.get("id") is not None or not client_id:
            self._check_id(checked.get("id"), what)
        return checked

    def trade(self, row: Any) -> Row:
        """Has contract, ids, side, a time that is not to come, and an amount and a price above nothing."""
        checked = _with_symbol(row, "a trade")
        what = f"a trade of {shown(checked['symbol'])}"
        self._check_id(checked.get("id"), what)
        what = f"the trade {checked['id']} of {shown(checked['symbol'])}"
        self._check_id(checked.get("order"), what, "order")
        if checked.get("side") not in _SIDES:
            raise DataError(f"the exchange told {what} with the side {shown(checked.get('side'))}")
        self._check_time(checked, what)
        for name in ("amount", "price"):
            if exact(checked.get(name), f"the {name} of {what}") <= 0:
                raise DataError(f"the exchange told the {name} of {what} as {shown(checked[name])}")
        return checked

    def position(self, row: Any) -> Row:
        """Says of which contract, how much and on which side: a row that does not say is not one of nothing."""
        checked = _with_symbol(row, "a position")
        what = f"the position in {shown(checked['symbol'])}"
        contracts = exact(checked.get("contracts"), what)
        if contracts < 0 or (contracts and checked.get("side") not in ("long", "short")):
            raise DataError(f"the exchange told {what} as {contracts} on the side {shown(checked.get('side'))}")
        return checked

    def income(self, row: Any) -> Row:
        """Of what moved the wallet: has an id, and a time that is not to come."""
        checked = _mapping(row, "an income")
        if not isinstance(checked.get("id"), str) or not checked["id"].isprintable() or not checked["id"]:
            raise DataError(f"the exchange told an income with the id {shown(checked.get('id'))}")
        self._check_time(checked, f"the income {shown(checked['id'])}")
        return checked

    def _check_id(self, value: Any, what: str, name: str = "id") -> None:
        if not isinstance(value, str) or not self._is_id(value):
            raise DataError(f"the exchange told {what} with the {name} {shown(value)}")

    def _check_time(self, row: Mapping[str, Any], what: str) -> None:
        value = row.get("timestamp")
        if type(value) is not int or not _FIRST_MS <= value <= self._clock.now_ms() + _AHEAD_MS:
            raise DataError(f"the exchange told {what} with the time {shown(value)}")


def readable(rows: Any, check: Callable[[Any], Row], note: Callable[[DataError], None]) -> list[Row]:
    """Those of `rows` that pass `check`; `note` is told of each that does not."""
    found = []
    for row in rows if isinstance(rows, list | tuple) else ():
        try:
            found.append(check(row))
        except DataError as error:
            note(error)
    return found


def part(row: Any, *path: str) -> Mapping[str, Any]:
    """The object under `path` in what an exchange told; an empty one where there is none."""
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row if isinstance(row, Mapping) else {}


def _with_symbol(row: Any, what: str) -> Row:
    checked = _mapping(row, what)
    if not isinstance(checked.get("symbol"), str):
        raise DataError(f"the exchange told {what} of the contract {shown(checked.get('symbol'))}")
    return checked


def _mapping(row: Any, what: str) -> Row:
    if not isinstance(row, dict):
        raise DataError(f"the exchange told {what} as {shown(row)}")
    return row if isinstance(row.get("info"), dict) else {**row, "info": {}}
