"""Whatever the order in which news comes, and however often, or not at all: the books are the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.orders import OrderRole, OrderState
from tests.core.exchange.desk_kit import ANSWERED, BTC, House, in_house
from tests.simulation.transport import Delivery, Fate, Outcome

DELAYS_MS = st.sampled_from([1.0, 5.0, 5.0, 5.0, 40.0, 300.0, 900.0, 2500.0])
NEWS = st.lists(st.lists(DELAYS_MS, max_size=2), min_size=60, max_size=60)
ANSWERS = st.lists(st.sampled_from([ANSWERED] * 6 + [Fate(Outcome.ANSWERED, 10.0, 800.0)]), min_size=60, max_size=60)


@given(NEWS, ANSWERS)
@settings(max_examples=40, deadline=None)
def test_books_do_not_depend_on_the_order_of_news(news: list[list[float]], answers: list[Fate]) -> None:
    async def test(house: House) -> None:
        frames, fates = iter(news), iter(answers)
        house.weather.frames_of = lambda text: [Delivery(ms, text, in_order=False) for ms in next(frames, [5.0])]
        house.weather.rules.append(lambda method, path, params: next(fates, ANSWERED))
        asks = [("60000.1", "0.010"), ("60000.5", "0.011"), ("60001.0", "5")]
        house.venue.set_depth(BTC, [("59999.9", "5")], asks, house.clock.now_ms())
        entry = await house.enter()
        await house.pass_s(12)
        stop = house.order(OrderRole.STOP)
        assert stop is not None
        assert house.states(entry)[-1] is OrderState.FILLED
        house.quote(BTC, "59000.0", "59000.1")
        await house.pass_s(50)
        assert house.states(stop)[-1] is OrderState.FILLED
        assert house.book().orders == {}
        assert house.open_algos() == []
        assert len({fill.fill_id for fill in house.fills}) == len(house.fills) == len(house.venue.ledger.trades)
        assert not house.trader.state.paused
        assert house.adjusted == []
        house.check_books()

    in_house(test)
