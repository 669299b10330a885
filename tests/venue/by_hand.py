"""What a person changes at the exchange's own page, and what the exchange changes by itself, while an engine runs.

Each change obeys the exchange's rules and raises RefusalError where they forbid it, unless said otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from tests.venue.venue import BinanceVenue

FAR_DELIVERY_MS = 4_133_404_800_000
"""The delivery date of a perpetual whose end is not announced."""


def change_leverage(venue: BinanceVenue, symbol: str, leverage: int, now_ms: int) -> None:
    """Told by ACCOUNT_CONFIG_UPDATE."""
    venue.advance(now_ms)
    venue.exchange.set_leverage(symbol, leverage, now_ms)


def change_margin_type(venue: BinanceVenue, symbol: str, margin_type: str, now_ms: int) -> None:
    """CROSSED or ISOLATED. Told by ACCOUNT_UPDATE. Refused while the symbol has a position or an order."""
    venue.advance(now_ms)
    venue.exchange.set_margin_type(symbol, margin_type, now_ms)


def change_position_mode(venue: BinanceVenue, hedged: bool, now_ms: int, *, forced: bool = False) -> None:
    """No stream tells it. Refused while anything is held or rests, unless `forced`: then that stays, on its side."""
    venue.advance(now_ms)
    if forced:
        venue.exchange.force_dual_side(hedged)
    else:
        venue.exchange.set_dual_side(hedged)


def change_multi_assets(venue: BinanceVenue, on: bool, now_ms: int) -> None:
    """Told by ACCOUNT_CONFIG_UPDATE."""
    venue.advance(now_ms)
    venue.exchange.set_multi_assets(on, now_ms)


def change_status(venue: BinanceVenue, symbol: str, status: str) -> None:
    """TRADING, PENDING_TRADING, PRE_DELIVERING, SETTLING, CLOSE, BREAK, ...: only TRADING takes orders that open."""
    _change_info(venue, symbol, {"status": status})


def delist(venue: BinanceVenue, symbol: str) -> None:
    """The contract is listed no more, and what asks of it is answered that there is none."""
    del venue.exchange.contracts[symbol]


def announce_end(venue: BinanceVenue, symbol: str, delivery_ms: int = FAR_DELIVERY_MS) -> None:
    """The contract will be settled and delisted at `delivery_ms`; without one, no more."""
    _change_info(venue, symbol, {"deliveryDate": delivery_ms})


def refuse_for_good(venue: BinanceVenue, method: str, path: str, code: int | None = -1000) -> None:
    """From now on every request of the kind ("GET", "/fapi/v1/symbolConfig") is refused with `code`; None ends it."""
    if code is None:
        venue.exchange.refused.pop((method, path), None)
    else:
        venue.exchange.refused[method, path] = code


def _change_info(venue: BinanceVenue, symbol: str, change: dict[str, object]) -> None:
    contract = venue.exchange.contracts[symbol]
    venue.exchange.contracts[symbol] = replace(contract, info={**contract.info, **change})
