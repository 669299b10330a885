from __future__ import annotations

import pytest

from core.domain.errors import VenueRejectedError
from core.domain.market import MINUTE_MS
from core.domain.orders import OrderState, Side
from core.ports import Venue
from core.venues.adapter import SimulatedVenueAdapter
from tests.core.venues.kit import T0, bar, first_price, make_venue, order, told


async def test_the_adapter_is_a_venue() -> None:
    simulated = make_venue()
    venue: Venue = SimulatedVenueAdapter(simulated)
    assert await venue.on_market(bar(0, 100, 100, 100)) == []
    first, second = order("x", Side.BUY, 100), order("y", Side.BUY, 200)
    assert await venue.fetch_order(first) is None
    for sent in (first, second):
        assert told(await venue.place(sent, T0 + MINUTE_MS)) == [(sent.client_order_id, OrderState.ACCEPTED)]
    assert told(await venue.cancel(second, T0 + MINUTE_MS)) == [("y", OrderState.CANCELED)]
    events = await venue.on_market(first_price(1, 100))
    assert list(await venue.fills_of(first)) == list(events)
    seen = await venue.fetch_order(first)
    assert seen is not None
    assert (seen.state, seen.filled_lots) == (OrderState.FILLED, 100)
    assert await venue.positions_lots() == {"AAAUSDT": 100}
    assert await venue.wallet_usdt() == simulated.wallet_usdt()
    with pytest.raises(VenueRejectedError):
        await venue.place(order("z", Side.BUY, 1), T0 + MINUTE_MS)
