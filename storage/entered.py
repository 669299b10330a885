"""What a trade was entered with: told from its orders, the signal that it began with, and its start's settings."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from core.domain.trading import closed_early
from core.engine.grid_history import RULES, START
from core.position.ladder import mean_target

Json = dict[str, Any]
Query = Callable[..., list[Json]]
"""SQL with named values -> rows as objects; `:account` is known."""

_OF = "trade_id IN (SELECT value FROM json_each(:ids))"
_ORDERS = f"""SELECT * FROM orders WHERE account = :account AND role IN ('entry', 'stop', 'target') AND {_OF}
ORDER BY created_ms, place, client_order_id"""  # noqa: S608
_PLACES = f"""SELECT o.trade_id, min(e.seq) AS seq FROM orders AS o
JOIN order_events AS e ON e.account = o.account AND e.client_order_id = o.client_order_id
WHERE o.account = :account AND o.role = 'entry' AND o.{_OF} GROUP BY o.trade_id"""  # noqa: S608
_SURE = """SELECT symbol, time_ms, confidence FROM signals WHERE account = :account AND action = 'enter'
AND time_ms IN (SELECT value FROM json_each(:times))"""
_META = f"SELECT key, value FROM meta WHERE account = :account AND (key GLOB '{START}*' OR key GLOB '{RULES}*')"  # noqa: S608


def with_entries(query: Query, order_of: Callable[[Json], Json], trades: Sequence[Json]) -> list[Json]:
    """The rows of trades with what Reader.trades says of their entries. `order_of` makes of a row an order with its
    price."""
    ids = json.dumps(sorted({name for trade in trades for name in (trade["trade_id"], _entry_id(trade["trade_id"]))}))
    first: dict[tuple[str, str], Json] = {}
    targets: dict[str, dict[int, Json]] = {}
    for row in query(_ORDERS, ids=ids):
        first.setdefault((row["trade_id"], row["role"]), row)
        if row["role"] == "target" and row["trigger_ticks"] is not None:
            targets.setdefault(row["trade_id"], {}).setdefault(row["place"], row)
    entries = [row for (_, role), row in first.items() if role == "entry"]
    times = json.dumps([row["created_ms"] for row in entries])
    sure = {(row["symbol"], row["time_ms"]): row["confidence"] for row in query(_SURE, times=times)}
    places = {row["trade_id"]: row["seq"] for row in query(_PLACES, ids=ids)}
    leverages = _leverages(query(_META))
    told = []
    for trade in trades:
        name = trade["trade_id"]
        entry = first.get((_entry_id(name), "entry"))
        stop = first.get((name, "stop"))
        whole = 0 if stop is None else stop["qty_lots"]
        parts = [(order_of(row)["price"], row["qty_lots"] / whole) for row in targets.get(name, {}).values() if whole]
        target = mean_target(trade["entry_price"], parts) if parts else None
        leverage = _at(leverages, places.get(_entry_id(name)))
        sign = 1 if trade["side"] == "buy" else -1
        told.append(
            trade
            | {
                "confidence": None if entry is None else sure.get((entry["symbol"], entry["created_ms"])),
                "leverage": leverage,
                "margin_usdt": None if leverage is None else trade["entry_price"] * trade["qty"] / leverage,
                "expected_profit_usdt": _moved(trade, target, sign),
                "expected_loss_usdt": _moved(trade, _price(stop, order_of), -sign),
                "closed_early": closed_early(trade["exit_reason"]),
            }
        )
    return told


def _entry_id(trade_id: str) -> str:
    """The trade that the entry was placed for: a late fill of it begins one whose id has more behind a plus."""
    return trade_id.partition("+")[0]


def _price(row: Json | None, order_of: Callable[[Json], Json]) -> float | None:
    return None if row is None else order_of(row)["price"]


def _moved(trade: Json, price: float | None, sign: int) -> float | None:
    return None if price is None else float(sign * (price - trade["entry_price"]) * trade["qty"])


def _leverages(meta: Iterable[Mapping[str, str]]) -> list[tuple[int, float]]:
    """The leverage of each start with how many records are before it, oldest first."""
    kept = {row["key"]: json.loads(row["value"]) for row in meta}
    starts = [kept[key] for key in sorted(kept) if key.startswith(START)]
    return [(start["seq"], kept[RULES + start["rules"]]["settings"]["account"]["leverage"]) for start in starts]


def _at(leverages: Sequence[tuple[int, float]], seq: int | None) -> float | None:
    """Of the start that wrote the record `seq`: the last with fewer records before it."""
    if seq is None:
        return None
    place = bisect_right([before for before, _ in leverages], seq - 1)
    return leverages[place - 1][1] if place else None
