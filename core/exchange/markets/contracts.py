"""An exchange's contracts as our instruments: sizes from its filters, terms from the account where it tells them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from core.domain.errors import DataError, QuarterdeckError, RejectKind, UnavailableError, VenueRejectedError
from core.domain.instrument import Instrument
from core.domain.plain import plain
from core.exchange.connection.own_words import ContractTold
from core.exchange.connection.wire import Row, Wire
from core.exchange.orders.rows import UNREADABLE, part
from core.exchange.orders.translate import exact
from core.settings.schema import Settings

log = logging.getLogger(__name__)

UNTOLD_MAX_LEVERAGE = 20
UNTOLD_MAINTENANCE_MARGIN_PCT = Decimal("2.5")
"""Where the exchange does not tell: those of a small altcoin, so that a larger contract is judged too strictly."""

_BPS = Decimal(10_000)
_MOST_LEVERAGE, _LARGEST_FEE = 1000, Decimal("0.1")
"""No exchange gives more, or takes so large a part of a trade."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What may differ from account to account. `assumed` names what the exchange did not tell."""

    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    max_leverage: int
    maintenance_margin_pct: Decimal
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """An instrument, and in words what of it the exchange did not tell."""

    instrument: Instrument
    assumed: tuple[str, ...] = ()


async def load_instruments(
    wire: Wire,
    settings: Settings,
    symbols: Sequence[str],
    *,
    with_account: bool,
    patience_s: float | None = None,
) -> dict[str, Instrument]:
    """Instruments by symbol (ours). With an account, fees and leverage tiers are asked for; what does not come within
    `patience_s` is assumed, and the log says what.

    Raises UnavailableError where a contract lacks its tick or lot size.
    """
    found = await load_contracts(wire, settings, symbols, with_account=with_account, patience_s=patience_s)
    return {symbol: contract.instrument for symbol, contract in found.items()}


async def load_contracts(
    wire: Wire,
    settings: Settings,
    symbols: Sequence[str],
    *,
    with_account: bool,
    patience_s: float | None = None,
) -> dict[str, Contract]:
    """The same, with what of each was assumed."""
    names = [wire.unified(symbol) for symbol in symbols]
    tiers, *fees = await _ask_account(wire, names, patience_s) if with_account else [{}] * (1 + len(names))
    contracts: dict[str, Contract] = {}
    for symbol, unified, fee in zip(symbols, names, fees, strict=True):
        market = wire.client.markets[unified]
        told = wire.dialect.words.contract(market)
        terms = terms_of(market, fee, part(tiers).get(unified) or (), settings, told)
        if terms.assumed:
            log.info("%s: the exchange does not tell %s; assumed", symbol, " and ".join(terms.assumed))
        assumed = terms.assumed if _has_fees(fee) else (*terms.assumed, "its fees (those of the settings)")
        contracts[symbol] = Contract(instrument_of(symbol, market, terms, settings, told), assumed)
    return contracts


def instrument_of(
    symbol: str, market: Mapping[str, Any], terms: Terms, settings: Settings, told: ContractTold
) -> Instrument:
    """A ccxt market row as an instrument, with what the exchange `told` beside it. Raises UnavailableError where it
    lacks a size or tells one that cannot be."""
    try:
        return _instrument(symbol, market, terms, settings, told)
    except (DataError, *UNREADABLE) as error:
        raise UnavailableError(f"{symbol}: the exchange's rules of it cannot be read: {error}") from error


def _instrument(
    symbol: str, market: Mapping[str, Any], terms: Terms, settings: Settings, told: ContractTold
) -> Instrument:
    precision, limits = market["precision"], market["limits"]
    lot_size = _exact(precision.get("amount"))
    tick_size = _exact(precision.get("price"))
    contract_size = _exact(market.get("contractSize"))
    if min(lot_size, tick_size, contract_size) <= 0:
        raise UnavailableError(f"{symbol}: the exchange does not tell its tick, lot and contract size")
    smallest = [_exact(_limit(limits, kind, "min")) for kind in ("amount", "market")]
    largest = [_exact(_limit(limits, kind, "max")) for kind in ("amount", "market")]
    told_largest = [amount for amount in largest if amount > 0]
    if not told_largest:
        raise UnavailableError(f"{symbol}: the exchange does not tell its largest order")
    max_lots = int(min(told_largest) // lot_size)
    if not max_lots:
        raise UnavailableError(f"{symbol}: the exchange's largest order is smaller than a lot")
    liquidation_fee = _told(told.liquidation_fee_rate)
    return Instrument(
        symbol=symbol,
        base=plain(str(market["base"])),
        tick_size=tick_size,
        lot_size=lot_size,
        contract_size=contract_size,
        min_lots=max(1, *(_lots_up(amount, lot_size) for amount in smallest)),
        max_lots=max_lots,
        min_notional_usdt=_exact(_limit(limits, "cost", "min")),
        maker_fee_bps=terms.maker_fee_bps,
        taker_fee_bps=terms.taker_fee_bps,
        max_leverage=terms.max_leverage,
        maintenance_margin_pct=terms.maintenance_margin_pct,
        liquidation_fee_bps=_tidy(liquidation_fee * _BPS)
        if 0 < liquidation_fee < 1
        else settings.costs.liquidation_fee_bps,
    )


def terms_of(
    market: Mapping[str, Any],
    fee: Mapping[str, Any],
    tiers: Sequence[Mapping[str, Any]],
    settings: Settings,
    own: ContractTold,
) -> Terms:
    """From ccxt's trading fee and leverage tiers of the account; else from the contract's row, the settings (fees)
    and last what is assumed of a contract whose exchange says nothing, or nothing that can be."""
    assumed: list[str] = []
    maker_bps, taker_bps = settings.costs.maker_fee_bps, settings.costs.taker_fee_bps
    if _has_fees(fee):
        maker_bps, taker_bps = _tidy(_exact(fee["maker"]) * _BPS), _tidy(_exact(fee["taker"]) * _BPS)
    tier = _tier_of(tiers, settings.limits.max_order_notional_usdt)
    leverages = (_told(tier.get("maxLeverage")), _told(_limit(part(market, "limits"), "leverage", "max")))
    max_leverage = next((int(told) for told in leverages if 1 <= told <= _MOST_LEVERAGE), 0)
    rates = (_told(tier.get("maintenanceMarginRate")), _told(own.maintenance_margin_rate))
    rate = next((told for told in rates if 0 < told < 1), Decimal(0))
    if not max_leverage:
        max_leverage = UNTOLD_MAX_LEVERAGE
        assumed.append(f"its largest leverage ({UNTOLD_MAX_LEVERAGE}x)")
    maintenance_pct = _tidy(rate * 100)
    if not maintenance_pct:
        maintenance_pct = UNTOLD_MAINTENANCE_MARGIN_PCT
        assumed.append(f"its maintenance margin ({UNTOLD_MAINTENANCE_MARGIN_PCT} %)")
    return Terms(maker_bps, taker_bps, max_leverage, maintenance_pct, tuple(assumed))


def _has_fees(fee: Any) -> bool:
    try:
        rates = [exact(part(fee).get(name), "a fee") for name in ("maker", "taker")]
    except DataError:
        return False
    return all(abs(rate) <= _LARGEST_FEE for rate in rates)


def _told(value: Any) -> Decimal:
    """As `_exact`; zero also for what is no number."""
    try:
        return _exact(value)
    except DataError:
        return Decimal(0)


async def _ask_account(wire: Wire, names: Sequence[str], patience_s: float | None) -> list[Row]:
    """Leverage tiers of all, then the fee of each; empty what does not come in time."""
    asked = [asyncio.ensure_future(_ask(wire, "fetch_leverage_tiers", list(names)))]
    asked += [asyncio.ensure_future(_ask(wire, "fetch_trading_fee", name)) for name in names]
    try:
        await asyncio.wait(asked, timeout=patience_s)
    finally:
        for answer in asked:
            answer.cancel()
    return [answer.result() if answer.done() and not answer.cancelled() else {} for answer in asked]


async def _ask(wire: Wire, method: str, argument: Any) -> Row:
    try:
        answer: Row = await wire.read(method, argument)
    except VenueRejectedError as error:
        if error.kind is not RejectKind.NOT_SUPPORTED:
            log.warning("%s", error)
        return {}
    except QuarterdeckError as error:
        log.warning("%s", error)
        return {}
    return answer


def _tier_of(tiers: Sequence[Mapping[str, Any]], notional_usdt: float) -> Mapping[str, Any]:
    """The tier of the largest order that the settings allow; the last one where all are smaller."""
    told = [part(tier) for tier in tiers] if isinstance(tiers, Sequence) else []
    for tier in told:
        if tier.get("maxNotional") is None or notional_usdt < _told(tier["maxNotional"]):
            return tier
    return told[-1] if told else {}


def _limit(limits: Mapping[str, Any], kind: str, end: str) -> Any:
    return (limits.get(kind) or {}).get(end)


def _exact(value: Any) -> Decimal:
    """ccxt's number without a float's noise: the shortest decimal that is this float; zero for none. Raises
    DataError."""
    if value is None or value == "":
        return Decimal(0)
    return _tidy(exact(value, "a size or a rate"))


def _tidy(number: Decimal) -> Decimal:
    """The same number without trailing zeros, so that it is written one way only."""
    whole = number.to_integral_value()
    return whole.quantize(Decimal(1)) if number == whole else number.normalize()


def _lots_up(amount: Decimal, lot_size: Decimal) -> int:
    return int((amount / lot_size).to_integral_value(ROUND_CEILING))
