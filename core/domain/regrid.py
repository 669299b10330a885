"""Ticks and lots belong to the rules that they were written under: how they are expressed under others, exactly.

An account counts a contract in the coarsest ticks and lots of which everything that it ever held, and every order that
the exchange takes now, are whole numbers. So a count of an earlier start only ever grows by a whole factor: nothing is
rounded and nothing refused, whichever way the exchange moved its steps. What an order may be is a matter of the steps
of `Instrument`, not of the grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import gcd

from core.domain.errors import RefusedError, StorageError
from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order
from core.domain.records import (
    COUNTED_IN_LOTS,
    AdjustmentRecord,
    FillRecord,
    FundingRecord,
    IntentRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
)

_FINEST = 10**9
"""A grid so much finer than the exchange's steps would leave the range of whole numbers that floats hold."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What one tick is in USDT, and one lot in base units."""

    tick: Decimal
    lot: Decimal


@dataclass(frozen=True, slots=True)
class Factor:
    """How many ticks and lots one of an older grid is."""

    ticks: int = 1
    lots: int = 1

    @property
    def is_one(self) -> bool:
        return self.ticks == self.lots == 1


ONE = Factor()


@dataclass(frozen=True, slots=True)
class Era:
    """The records behind the first `seq` of a journal were counted by `grids`, until the next era."""

    seq: int
    grids: Mapping[str, Grid]


class Eras:
    """Of one journal, in their order."""

    def __init__(self, eras: Sequence[Era]) -> None:
        self._eras = tuple(eras)
        by_symbol: dict[str, set[Grid]] = {}
        for era in eras:
            for symbol, grid in era.grids.items():
                by_symbol.setdefault(symbol, set()).add(grid)
        self._by_symbol = by_symbol
        self.is_mixed = any(len(grids) > 1 for grids in by_symbol.values())

    def grids(self, symbol: str) -> set[Grid]:
        """All by which `symbol` was ever counted."""
        return self._by_symbol.get(symbol, set())

    def grid(self, symbol: str, seq: int) -> Grid | None:
        """By which the record in the place `seq` counts `symbol`; None where nobody knows."""
        grids = self._by_symbol.get(symbol, set())
        if len(grids) <= 1:
            return next(iter(grids), None)
        known = [era for era in self._eras if symbol in era.grids]
        before = [era for era in known if era.seq < seq]
        return (before[-1] if before else known[0]).grids[symbol]

    def are_all(self, instruments: Mapping[str, Instrument]) -> bool:
        """Whether nothing of these was ever counted otherwise."""
        return all(self.grids(symbol) <= {grid_of(instrument)} for symbol, instrument in instruments.items())

    def factor(self, symbol: str, seq: int, grid: Grid) -> Factor:
        """From the record in the place `seq` to `grid`. Raises StorageError where its counts are no whole numbers
        there."""
        own = self.grid(symbol, seq)
        return ONE if own is None or own == grid else factor(symbol, own, grid)


def grid_of(instrument: Instrument) -> Grid:
    return Grid(instrument.tick_size, instrument.qty(1))


def factor(symbol: str, old: Grid, new: Grid) -> Factor:
    """Raises StorageError where counts of `old` are no whole numbers in `new`."""
    ticks, lots = old.tick / new.tick, old.lot / new.lot
    if ticks != int(ticks) or lots != int(lots):
        raise StorageError(
            f"journal: {symbol} was counted in ticks of {old.tick} and lots of {old.lot}, which are no whole number of "
            f"{new.tick} and {new.lot}; the journal's facts of its starts are damaged"
        )
    return Factor(int(ticks), int(lots))


def working(fresh: Instrument, grids: Iterable[Grid]) -> Instrument:
    """The exchange's contract, counted so that everything counted by `grids` is a whole number.

    Raises RefusedError where there is no such grid.
    """
    tick, lot = fresh.price_step, fresh.qty_step
    for grid in grids:
        tick, lot = _common(tick, grid.tick), _common(lot, grid.lot)
    lot_size = lot / fresh.contract_size
    tick_step, lot_step = int(fresh.price_step / tick), int(fresh.qty_step / lot)
    if lot_size * fresh.contract_size != lot or max(tick_step, lot_step) > _FINEST:
        raise RefusedError(
            f"{fresh.symbol}: a contract is {fresh.contract_size} {fresh.base} now, in which what this account did "
            "cannot be counted; close what it holds at the exchange and use another --home"
        )
    before, now = fresh.lot_step, lot_step
    return replace(
        fresh,
        tick_size=tick,
        lot_size=lot_size,
        min_lots=fresh.min_lots * now // before,
        max_lots=fresh.max_lots * now // before,
        tick_step=tick_step,
        lot_step=lot_step,
    )


def carried(records: Iterable[tuple[int, Record]], eras: Eras, instruments: Mapping[str, Instrument]) -> list[Record]:
    """Records with their places, as the starts of `eras` wrote them, told by `instruments`. Raises StorageError."""
    if eras.are_all(instruments):
        return [record for _, record in records]
    told: list[Record] = []
    for seq, record in records:
        symbol = symbol_of(record)
        instrument = instruments.get(symbol)
        by = ONE if instrument is None else eras.factor(symbol, seq, grid_of(instrument))
        told.append(record if by.is_one else rescaled(record, by))
    return told


def symbol_of(record: Record) -> str:
    """Of a record that counts ticks or lots; empty of all others."""
    match record:
        case IntentRecord(order) | OrderUpdateRecord(_, order) | FillRecord(_, order):
            return order.symbol
        case PositionRecord(position):
            return position.symbol
        case FundingRecord(payment):
            return payment.symbol
        case AdjustmentRecord(what=what) if what in COUNTED_IN_LOTS:
            return record.symbol
        case _:
            return ""


def rescaled(record: Record, by: Factor) -> Record:
    """The same fact, counted in a grid that is `by` times finer."""
    match record:
        case IntentRecord(order):
            return IntentRecord(rescaled_order(order, by))
        case OrderUpdateRecord(update, order):
            return OrderUpdateRecord(update, rescaled_order(order, by))
        case FillRecord(fill, order):
            return FillRecord(rescaled_fill(fill, by), rescaled_order(order, by))
        case PositionRecord(position):
            return replace(record, position=replace(position, lots=position.lots * by.lots))
        case FundingRecord(payment):
            return FundingRecord(replace(payment, position_lots=payment.position_lots * by.lots))
        case AdjustmentRecord(ours=ours, theirs=theirs) if record.what in COUNTED_IN_LOTS:
            return replace(record, ours=str(int(ours) * by.lots), theirs=str(int(theirs) * by.lots))
        case _:
            return record


def rescaled_fill(fill: Fill, by: Factor) -> Fill:
    return replace(fill, qty_lots=fill.qty_lots * by.lots, price_ticks=fill.price_ticks * by.ticks)


def rescaled_order(order: Order, by: Factor) -> Order:
    return replace(
        order,
        qty_lots=order.qty_lots * by.lots,
        filled_lots=order.filled_lots * by.lots,
        price_ticks=None if order.price_ticks is None else order.price_ticks * by.ticks,
        trigger_ticks=None if order.trigger_ticks is None else order.trigger_ticks * by.ticks,
    )


def _common(one: Decimal, other: Decimal) -> Decimal:
    """The largest of which both are whole numbers; the first itself where it is."""
    places = max(0, -_exponent(one), -_exponent(other))
    found = Decimal(gcd(int(one.scaleb(places)), int(other.scaleb(places)))).scaleb(-places)
    return one if found == one else found.normalize() if found != found.to_integral_value() else Decimal(int(found))


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent
