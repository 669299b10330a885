"""What of an order goes out: the exchange takes multiples of its steps, and an order may be for less than a step more.

The books count what is held, to the last lot. An order that only reduces is sent for the next larger quantity, which
the exchange cuts down to the position; where it does not, or others hold a part of the position, for the next smaller.
"""

from __future__ import annotations

from dataclasses import replace

from core.domain.errors import RejectKind, VenueRejectedError
from core.domain.instrument import Instrument
from core.domain.orders import Order


def as_sent(order: Order, instrument: Instrument, *, is_cut_down: bool) -> Order:
    """The order as the exchange can take it. Raises VenueRejectedError where nothing of it can be sent."""
    lots = sent_lots(order, instrument, is_cut_down=is_cut_down)
    if lots == 0:
        raise VenueRejectedError(
            f"{instrument.qty(order.qty_lots):f} {instrument.base} is less than the {instrument.qty_step:f} that an "
            "order must be; close it at the exchange",
            RejectKind.PRECISION,
        )
    # A stop is met sooner so, a target and a limit are no worse.
    sign = -order.side.sign
    ticks = None if order.trigger_ticks is None else instrument.safe_ticks(order.trigger_ticks, sign)
    price = None if order.price_ticks is None else instrument.safe_ticks(order.price_ticks, sign)
    if (lots, ticks, price) == (order.qty_lots, order.trigger_ticks, order.price_ticks):
        return order
    return replace(order, qty_lots=lots, trigger_ticks=ticks, price_ticks=price)


def sent_lots(order: Order, instrument: Instrument, *, is_cut_down: bool) -> int:
    """How much of the order goes out, in lots; 0 where it is too little."""
    if not order.reduce_only:
        return instrument.lots_down(order.qty_lots)
    if not is_cut_down:
        lots = instrument.lots_down(order.qty_lots)
        return min(lots, instrument.max_lots) if lots >= instrument.min_lots else 0
    return min(max(instrument.lots_up(order.qty_lots), instrument.min_lots), instrument.max_lots)
