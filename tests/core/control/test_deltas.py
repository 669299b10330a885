"""What changed since another snapshot, put onto that one, is the new one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from core.control.codec import encode, read
from core.control.deltas import Change, Delta, Rows, applied, between
from core.control.protocol import PriceView, Snapshot
from tests.core.control.control_samples import SNAPSHOT
from tests.core.control.made import made

LISTS = [name for name in Snapshot.__struct_fields__ if isinstance(getattr(SNAPSHOT, name), tuple)]
FEW_NAMES = st.sampled_from(["a", "b", "c", ""])
NAMED = dict.fromkeys(("symbol", "trade_id", "client_order_id", "name", "action", "type", "side"), FEW_NAMES)


def there(delta: Delta) -> Delta:
    """After a way as JSON."""
    return read(Delta, encode(delta))


@st.composite
def successors(draw: st.DrawFn) -> tuple[Snapshot, Snapshot]:
    """Two snapshots: the rows of the second are some of the first's, moved and changed, and others; keys meet."""
    hints = Snapshot.__annotations__
    assert set(LISTS) <= set(hints)
    old, other = draw(made(Snapshot)), draw(made(Snapshot))
    changes: dict[str, Any] = {}
    for name in LISTS:
        pool = [_renamed(row, draw) for row in (*getattr(old, name), *getattr(other, name))]
        rows = draw(st.lists(st.sampled_from(pool), max_size=6)) if pool else []
        before = draw(st.lists(st.sampled_from(pool), max_size=6)) if pool else []
        fresh = getattr(other, name)
        changes[name] = tuple(_mixed(row, fresh[0], draw) if fresh and draw(st.booleans()) else row for row in rows)
        old = replace(old, **{name: tuple(before)})
    status = _mixed(old.status, other.status, draw)
    return old, replace(old, seq=other.seq, status=status, **changes)


def _renamed(row: Any, draw: st.DrawFn) -> Any:
    return replace(row, **{name: draw(names) for name, names in NAMED.items() if name in row.__struct_fields__})


def _mixed(row: Any, other: Any, draw: st.DrawFn) -> Any:
    taken = draw(st.sets(st.sampled_from([name for name in row.__struct_fields__ if name not in NAMED])))
    return replace(row, **{name: getattr(other, name) for name in taken})


@given(pair=successors())
def test_a_delta_put_onto_the_old_snapshot_is_the_new_one(pair: tuple[Snapshot, Snapshot]) -> None:
    old, new = pair
    delta = between(old, new)
    assert applied(old, there(delta)) == new


@given(old=made(Snapshot), new=made(Snapshot))
def test_so_it_is_for_two_that_have_nothing_in_common(old: Snapshot, new: Snapshot) -> None:
    assert applied(old, there(between(old, new))) == new


def test_what_stays_does_not_travel() -> None:
    assert between(SNAPSHOT, replace(SNAPSHOT, seq=8)) == Delta(SNAPSHOT.seq, 8)
    price = replace(SNAPSHOT.prices[0], last=7.0, closes=(2.0, 3.0))
    prices = (replace(price, symbol="ETHUSDT", closes=(1.0,)), price)
    delta = between(SNAPSHOT, replace(SNAPSHOT, seq=8, prices=prices))
    assert delta.prices == Rows(
        (prices[0], [0, 1]), (Change("last", (1, 2), [7.0]), Change("closes", (1, 2), [(2.0, 3.0)]))
    )
    assert (delta.status, delta.fields, delta.signals) == ({}, {}, None)


def test_a_run_of_numbers_slides() -> None:
    def with_closes(*closes: float) -> Snapshot:
        return replace(SNAPSHOT, prices=(replace(SNAPSHOT.prices[0], closes=closes),))

    old, new = with_closes(1.0, 2.0, 3.0, 4.0), with_closes(2.0, 3.0, 4.0, 5.0)
    delta = between(old, new)
    assert delta.prices is not None
    assert delta.prices.changed == (Change("closes", (0, 1), [(5.0,)], 1),)
    assert applied(old, there(delta)) == new


def bent(**changes: Any) -> Delta:
    return structs.replace(Delta(SNAPSHOT.seq, 8), **changes)


@pytest.mark.parametrize(
    "delta",
    [
        bent(base=SNAPSHOT.seq - 1),
        bent(fields={"nobody": 1}),
        bent(status={"mode": 7}),
        bent(status={"mode": None}),
        bent(status={"halts": {"drop": 0, "add": [7]}}),
        bent(status={"halts": {"other": 0}}),
        bent(prices=Rows(order=([0, 2],))),
        bent(prices=Rows(order=([-1, 1],))),
        bent(prices=Rows(order=([1, 0],))),
        bent(prices=Rows(order=(7,))),
        bent(prices=Rows(order=({"symbol": "X"},))),
        bent(prices=Rows(changed=(Change("last", (1, 2), [1.0]),))),
        bent(prices=Rows(changed=(Change("last", (-1, 0), [1.0]),))),
        bent(prices=Rows(changed=(Change("last", (0, 1), ["1.0"]),))),
        bent(prices=Rows(changed=(Change("nobody", (0, 1), [1.0]),))),
        bent(prices=Rows(changed=(Change("last", (0, 10**12), {"all": 1.0}),))),
        bent(prices=Rows(changed=(Change("last", (0,), [1.0]),))),
        bent(prices=Rows(changed=(Change("last", (0, 1), [1.0, 2.0]),))),
        bent(prices=Rows(changed=(Change("last", (0, 1), {"nobody": 1}),))),
        bent(prices=Rows(changed=(Change("last", (0, 1), {"wholes": ["x", 1]}),))),
        bent(prices=Rows(changed=(Change("symbol", (0, 1), {"words": [["a"], 1]}),))),
        bent(prices=Rows(changed=(Change("symbol", (0, 1), {}),))),
        bent(prices=Rows(changed=(Change("closes", (0, 1), [7.0], 1),))),
    ],
)
def test_a_delta_that_cannot_be_is_refused(delta: Delta) -> None:
    with pytest.raises(ValueError, match="change"):
        applied(SNAPSHOT, there(delta))


def test_every_list_of_a_snapshot_travels_by_rows() -> None:
    assert {name for name in Delta.__struct_fields__ if name in LISTS} == set(LISTS)
    assert PriceView is type(SNAPSHOT.prices[0])
