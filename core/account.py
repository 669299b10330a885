"""What an account was opened with, and what a later run may and may not change about it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from core.domain.errors import BadInputError
from core.domain.records import CursorRecord, Record


@dataclass(frozen=True, slots=True)
class Opening:
    """The facts fixed at an account's first run."""

    seed: int
    initial_balance_usdt: Decimal
    start_ms: int

    def to_json(self) -> str:
        return json.dumps(
            {"seed": self.seed, "initial_balance_usdt": str(self.initial_balance_usdt), "start_ms": self.start_ms}
        )

    @classmethod
    def from_json(cls, text: str) -> Opening:
        data = json.loads(text)
        return cls(data["seed"], Decimal(data["initial_balance_usdt"]), data["start_ms"])


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


def check_symbols(records: Iterable[Record], symbols: Collection[str]) -> None:
    """Raises BadInputError when the account has traded a symbol that is not among `symbols` any more."""
    traded = {record.symbol for record in records if isinstance(record, CursorRecord)}
    missing = sorted(traded.difference(symbols))
    if missing:
        raise BadInputError(
            f"market.symbols lacks {', '.join(missing)}, which this account has traded; add it, or use another --home"
        )


def check_seed(opening: Opening, seed: int | None) -> None:
    """Raises BadInputError when `seed` is not the account's."""
    if seed is not None and seed != opening.seed:
        raise BadInputError(f"this account was opened with --seed {opening.seed}; use that, or another --home")


def iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
