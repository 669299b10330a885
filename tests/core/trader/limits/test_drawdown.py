from __future__ import annotations

import pytest

from core.domain.operator import LimitEffect, Verb
from core.domain.orders import OrderRole
from core.domain.records import SignalRecord
from core.domain.trading import ExitReason, SignalAction
from tests.core.trader.desk import BTC, ETH, XRP, placed, records
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    lose,
    make_desk,
    to_midnight,
)


def test_drawdown_blocks_and_flattens() -> None:
    desk = make_desk(max_drawdown_pct=5)
    desk.hold(symbol=ETH)
    lose(desk, 450)
    assert_fired(desk, "drawdown", LimitEffect.WARN)
    commands = desk.minute(BTCUSDT=desk.book().mark - 2_000)
    event = assert_fired(desk, "drawdown", LimitEffect.FLATTEN)
    assert event.used == pytest.approx(5.32)
    outs = placed(commands, OrderRole.EXIT)
    assert [(out.symbol, out.reason, out.reduce_only) for out in outs] == [
        (BTC, ExitReason.LIMIT, True),
        (ETH, ExitReason.LIMIT, True),
    ]
    assert_vetoed(desk.predict(20, XRP), "drawdown")


def test_drawdown_blocks_for_good_until_it_clears() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 600)
    to_midnight(desk)
    assert_vetoed(desk.predict(20, ETH), "drawdown")
    desk.minute(BTCUSDT=desk.book().entry_price)
    assert_vetoed(desk.predict(20, ETH), "drawdown")


def test_drawdown_clears_when_the_operator_resumes_and_the_peak_starts_anew() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 600)
    desk.accept(desk.order(OrderRole.EXIT))
    desk.fill(desk.order(OrderRole.EXIT))
    desk.minute()
    desk.operator(Verb.RESUME)
    assert_cleared(desk, "drawdown")
    assert desk.trader.state.peak_equity_usdt == pytest.approx(9_400)
    for _ in range(4):
        desk.minute()
    assert entry_lots(desk.predict(20, ETH)) > 0
    assert not desk.limits("drawdown")[-1].fired


def test_resuming_without_a_drawdown_keeps_the_peak() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 100)
    desk.operator(Verb.RESUME)
    assert desk.trader.state.peak_equity_usdt == 10_000


def test_drawdown_blocks_and_flattens_when_a_prediction_finds_it_first() -> None:
    desk = make_desk(max_drawdown_pct=5)
    desk.hold()
    desk.minute()
    desk.first_price(desk.book().entry_price - 600 / 0.041)
    commands = desk.predict(20, ETH)
    assert_fired(desk, "drawdown", LimitEffect.FLATTEN)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert signal.action is SignalAction.VETOED
    assert [(order.symbol, order.role) for order in placed(commands)] == [(BTC, OrderRole.EXIT)]
