"""What an account was opened with, and what a later run may and may not change about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from core.domain.errors import BadInputError
from core.domain.records import CursorRecord, FillRecord, IntentRecord, OrderUpdateRecord, Record

if TYPE_CHECKING:
    from core.trader.memory import TraderMemory


@dataclass(frozen=True, slots=True)
class Opening:
    """The facts fixed at an account's first run."""

    seed: int
    initial_balance_usdt: Decimal
    start_ms: int
    interval_minutes: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"initial_balance_usdt": str(self.initial_balance_usdt)})

    @classmethod
    def from_json(cls, text: str) -> Opening:
        """Of an older account too, all of which traded bars of a minute."""
        data = json.loads(text)
        return cls(**data | {"initial_balance_usdt": Decimal(data["initial_balance_usdt"])})


@dataclass(frozen=True, slots=True)
class Period:
    """`start_ms` opened the account; from `trade_from_ms` on entries are made; bars from `end_ms` on are left out."""

    start_ms: int
    trade_from_ms: int
    end_ms: int


def first_period(
    spans: Mapping[str, tuple[int, int]], window_ms: int, from_ms: int | None, to_ms: int | None
) -> Period:
    """The period of a new account: from the wish, or from where every symbol's training window is full.

    `spans` holds first open and last close by symbol. Raises BadInputError for a period outside them.
    """
    first, last = max(span[0] for span in spans.values()), max(span[1] for span in spans.values())
    start_ms = min(first + window_ms, last) if from_ms is None else from_ms
    end_ms = last if to_ms is None else min(to_ms, last)
    if not first <= start_ms < last:
        raise BadInputError(f"--from lies outside the stored market; choose a time from {iso(first)} to {iso(last)}")
    if end_ms <= start_ms:
        raise BadInputError(f"--to must be after {iso(start_ms)}, where trading begins")
    return Period(start_ms, start_ms, end_ms)


def later_period(opening: Opening, reached_ms: int, last_ms: int, from_ms: int | None, to_ms: int | None) -> Period:
    """The period of an account that has traded up to `reached_ms`; nothing before that is traded again.

    Raises BadInputError when the wish goes back in time.
    """
    if from_ms is not None and from_ms < reached_ms and from_ms != opening.start_ms:
        raise BadInputError(
            f"this account has traded up to {iso(reached_ms)}; give a later --from or another --home for a fresh one"
        )
    end_ms = last_ms if to_ms is None else min(to_ms, last_ms)
    return Period(opening.start_ms, max(from_ms or 0, reached_ms), end_ms)


def traded_symbols(records: Iterable[Record], before: TraderMemory | None = None) -> set[str]:
    """Those of which an account has taken in a bar or sent an order. `before` stands for what lies before `records`."""
    traded = set(before.symbols) if before is not None else set()
    for record in records:
        match record:
            case CursorRecord(symbol):
                traded.add(symbol)
            case IntentRecord(order):
                traded.add(order.symbol)
            case _:
                pass
    return traded


def held_symbols(records: Iterable[Record], before: TraderMemory | None = None) -> set[str]:
    """Those in which a journal ends with a position, or with an order that may be open."""
    lots = Counter(before.lots() if before is not None else {})
    open_in = before.open_orders() if before is not None else {}
    for record in records:
        match record:
            case FillRecord(fill, order):
                lots[fill.symbol] += fill.side.sign * fill.qty_lots
            case IntentRecord(order) | OrderUpdateRecord(_, order):
                pass
            case _:
                continue
        open_in[order.client_order_id] = order.symbol if order.is_open else ""
    return {symbol for symbol, held in lots.items() if held}.union(open_in.values()) - {""}


def retired_symbols(
    records: Sequence[Record], symbols: Collection[str], before: TraderMemory | None = None
) -> frozenset[str]:
    """Those that an account has traded and that are not among `symbols` any more, which are to be traded.

    Raises BadInputError where it still holds something of one.
    """
    retired = traded_symbols(records, before).difference(symbols)
    held = sorted(held_symbols(records, before) & retired)
    if held:
        raise BadInputError(
            f"the symbols of the settings lack {', '.join(held)}, of which this account holds a position or an order: "
            "add it, flatten it, then take it out"
        )
    return frozenset(retired)


def check_seed(opening: Opening, seed: int | None) -> None:
    """Raises BadInputError when `seed` is not the account's."""
    if seed is not None and seed != opening.seed:
        raise BadInputError(f"this account was opened with --seed {opening.seed}; use that, or another --home")


def check_interval(opening: Opening, interval_minutes: int) -> None:
    """Raises BadInputError when bars are of another length than the account's: its journal counts what it was told in
    them."""
    if interval_minutes != opening.interval_minutes:
        raise BadInputError(
            f"this account trades bars of {opening.interval_minutes} min, and market.interval_minutes is "
            f"{interval_minutes}; set it to {opening.interval_minutes}, or use another --home"
        )


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
