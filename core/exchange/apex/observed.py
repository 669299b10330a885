"""What Apex Omni tells of its market beside bars, and how."""

from __future__ import annotations

from core.exchange.markets.observed import Observed

OBSERVED = Observed(
    lacks={
        "trades": "it names its trades by words, not by numbers: what was missed is not known",
        "book10": "ccxt's stream of its order book is not read here",
        "mark": "it has no stream of mark prices",
        "open_interest": "it tells contracts without their value in USDT, and none of the past",
        **dict.fromkeys(
            ("long_short", "long_short_top", "taker_flow", "liquidations", "quotes"), "it does not tell them"
        ),
    },
)
