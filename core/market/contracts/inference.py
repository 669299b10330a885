"""Contract rules read off candles, where nothing else tells them; and whether candles can be of given rules."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.market.checking import LEAST_PRICE, MOST_PRICE, MOST_VOLUME
from core.market.contracts.rules import DAY_MS, ContractRules, coins_of, rules_at
from core.ports import BarColumns

Floats = NDArray[np.float64]

LEAST_ORDER_USDT = Decimal(100)
"""No large exchange asks more of the smallest order in any contract."""

MAX_LEVERAGE = 20
MAINTENANCE_MARGIN_PCT = Decimal("2.5")
LIQUIDATION_FEE_BPS = Decimal(150)
"""Those of a small altcoin, so that a larger contract is judged too strictly."""

_FINEST = 1e11
"""So many steps in the largest value at most: beyond that a float does not tell one step from the next for sure."""
_MOST_STEPS = 10**15
"""So many ticks in a price and lots in an order at most: beyond that floats do not count them one by one."""
_COARSEST_TICK = 5e-3
"""Of the lowest price: no exchange has a coarser tick, and candles that hardly move would seem to."""
_COARSEST_LOT_USDT = 200.0
"""No lot of a contract is worth more, and volumes that are all alike would seem to say so."""


def read_off(bars: BarColumns) -> ContractRules:
    """The coarsest tick and lot that all prices and volumes are multiples of, and cautious terms for the rest.

    Raises BadInputError where there is no price, or where prices or volumes are no market's.
    """
    prices = _told(bars.open, bars.high, bars.low, bars.close)
    volumes = _told(bars.volume)
    if not len(prices):
        raise BadInputError(f"{bars.symbol}: has no candle to read its contract rules off; import some")
    low, high, largest = float(prices.min()), float(prices.max()), float(volumes.max()) if len(volumes) else 0.0
    if low < LEAST_PRICE or high > MOST_PRICE or largest > MOST_VOLUME:
        raise BadInputError(
            f"{bars.symbol}: prices from {low:g} to {high:g} and volumes up to {largest:g} are no market's; see "
            f"quarterdeck data check, then quarterdeck data delete {bars.symbol} and import what is right"
        )
    tick = _at_most(_common_step(prices), low * _COARSEST_TICK)
    if high > _MOST_STEPS * float(tick):
        raise BadInputError(
            f"{bars.symbol}: prices from {low:g} to {high:g} lie on no tick; see quarterdeck data check, then import "
            "what is right with --replace, or give the contract's rules with: quarterdeck data rules import FILE"
        )
    lot = _at_most(_common_step(volumes) if len(volumes) else Decimal(1), _COARSEST_LOT_USDT / high)
    # Of a market that trades nothing as far as is known the account's own limits are left.
    most = min(Decimal(repr(largest)), lot * _MOST_STEPS) // lot * lot if len(volumes) else lot * 10**12
    base, quote = coins_of(bars.symbol)
    return ContractRules(
        symbol=bars.symbol,
        base=base,
        quote=quote,
        tick_size=tick,
        lot_size=lot,
        contract_size=Decimal(1),
        min_qty=lot,
        max_qty=max(lot, most),
        min_notional_usdt=LEAST_ORDER_USDT,
        max_leverage=MAX_LEVERAGE,
        maintenance_margin_pct=MAINTENANCE_MARGIN_PCT,
        liquidation_fee_bps=LIQUIDATION_FEE_BPS,
        as_of_ms=int(bars.open_time_ms[0]) // DAY_MS * DAY_MS,
        kind="inferred",
        source=f"read off {len(bars.open_time_ms):,} candles",
    )


def rules_of_bars(bars: BarColumns, known: Iterable[ContractRules], from_ms: int) -> ContractRules:
    """Of the rules that are known those of the bars' contract that were the newest at `from_ms`; read off the bars
    where there are none. Raises BadInputError where the prices are not of such a contract."""
    rules = rules_at((item for item in known if item.symbol == bars.symbol), from_ms)
    if rules is None:
        return read_off(bars)
    count, price, time_ms = off_tick(bars, rules.tick_size)
    if count:
        from core.home.logbook import iso_utc

        raise BadInputError(
            f"{bars.symbol}: {count:,} of {len(bars.open_time_ms):,} candles have prices off the tick of "
            f"{rules.tick_size:f}, the first {price!r} at {iso_utc(time_ms)[:16]}: the rules ({rules.kind}, of "
            f"{rules.day}) are of another time or contract; give those of the period with: quarterdeck data rules "
            f"import FILE, or have them read off the candles with: quarterdeck data rules infer {bars.symbol}"
        )
    return rules


def off_tick(bars: BarColumns, tick_size: Decimal) -> tuple[int, float, int]:
    """How many candles have a price that is no multiple of the tick; of the first of them that price and its time."""
    columns = (bars.open, bars.high, bars.low, bars.close)
    off = np.zeros(len(bars.open_time_ms), np.bool_)
    for column in columns:
        off |= _is_off(column, float(tick_size))
    if not off.any():
        return 0, 0.0, 0
    first = int(off.argmax())
    price = next(float(column[first]) for column in columns if _is_off(column[first : first + 1], float(tick_size))[0])
    return int(off.sum()), price, int(bars.open_time_ms[first])


def _is_off(values: Floats, step: float) -> NDArray[np.bool_]:
    """As far as a float tells: what lies on no grid at all is on the finest that `_common_step` gives."""
    steps = values / step
    away = np.rint(steps)
    np.abs(np.subtract(steps, away, out=away), out=away)
    steps *= 5
    steps /= _FINEST
    steps += 1e-6
    return np.asarray(away > steps)


def _told(*columns: Floats) -> Floats:
    values = np.concatenate(columns)
    return values[np.isfinite(values) & (values > 0)]


def _common_step(values: Floats) -> Decimal:
    """The largest of 1, 2 and 5 times a power of ten that all values are multiples of; the finest that a float can tell
    where they are of none."""
    largest = float(values.max())
    places = min(0, math.floor(math.log10(_FINEST / largest)))
    while True:
        scaled = values * 10.0**places
        whole = np.rint(scaled)
        if np.all(np.abs(scaled - whole) <= 1e-15 * scaled):
            return _round_step(int(np.gcd.reduce(whole.astype(np.int64)))) * Decimal(10) ** -places
        if largest * 10.0 ** (places + 1) > _FINEST:
            return Decimal(10) ** -places
        places += 1


def _round_step(whole: int) -> Decimal:
    """The largest of 1, 2 and 5 times a power of ten that divides a whole number."""
    ten = 1
    while whole % (ten * 10) == 0:
        ten *= 10
    return Decimal(next(ten * factor for factor in (5, 2, 1) if whole % (ten * factor) == 0))


def _at_most(step: Decimal, limit: float) -> Decimal:
    """A step that is too coarse, finer by powers of ten."""
    while float(step) > limit:
        step /= 10
    return step
