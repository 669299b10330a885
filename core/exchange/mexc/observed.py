"""What MEXC futures tell of their market beside bars, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.exchange.markets.observed import Observed, Pushed, Row, Told


def _mark(client: Any, frame: Row) -> Sequence[Told]:
    row = frame["data"]
    unified = client.safe_market(row["symbol"], None, None, "swap")["symbol"]
    return (Told(unified, row["timestamp"], (float(row["fairPrice"]), float(row["indexPrice"]))),)


_NO_NUMBERS = "it tells its trades without numbers: two of one millisecond are one, and what was missed is not known"
OBSERVED = Observed(
    pushed={
        "mark": Pushed("watch_ticker", "handle_ticker", _mark, ("ticker",), takes_many=False, is_sampled=True),
    },
    lacks={
        "trades": _NO_NUMBERS,
        "book10": "its documents leave open whether a level is told in contracts or in orders",
        **dict.fromkeys(
            ("open_interest", "long_short", "long_short_top", "taker_flow", "liquidations"), "it does not tell them"
        ),
        "quotes": "the best prices are told without a number",
    },
)
