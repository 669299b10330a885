"""The exchanges that are spoken to, by their id in the settings."""

from __future__ import annotations

from core.domain.errors import SettingsError
from core.exchange.apex.dialect import ApexOmni
from core.exchange.apex.observed import OBSERVED as OF_APEX
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.binanceusdm.observed import OBSERVED as OF_BINANCE
from core.exchange.connection.wire import Dialect
from core.exchange.markets.observed import Observed
from core.exchange.mexc.dialect import MexcSwap
from core.exchange.mexc.observed import OBSERVED as OF_MEXC

_WAYS: tuple[tuple[Dialect, Observed], ...] = (
    (BinanceUsdm(), OF_BINANCE),
    (MexcSwap(), OF_MEXC),
    (ApexOmni(), OF_APEX),
)
_DIALECTS = {dialect.id: dialect for dialect, _ in _WAYS}
_OBSERVED = {dialect.id: observed for dialect, observed in _WAYS}
EXCHANGES = tuple(_DIALECTS)


def dialect_of(exchange_id: str) -> Dialect:
    """Raises SettingsError for an exchange that is not known here."""
    if exchange_id not in _DIALECTS:
        raise SettingsError(f"[exchange] id: {exchange_id!r} is not known; known: {', '.join(_DIALECTS)}")
    return _DIALECTS[exchange_id]


def observed_of(exchange_id: str) -> Observed:
    """What a known exchange tells of its market beside bars."""
    return _OBSERVED[exchange_id]


def check_live(dialect: Dialect) -> None:
    """Raises SettingsError where live orders would not be safe on the exchange."""
    if dialect.live_blockers:
        why = "; ".join(dialect.live_blockers)
        raise SettingsError(f'[exchange] id = "{dialect.id}": live trading is refused: {why}; set mode = "paper"')
