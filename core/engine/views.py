"""The engine's state as the frozen views that a console or a socket is handed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.arithmetic.days import DAY_MS
from core.control.events import BecauseView
from core.control.protocol import (
    SILENT,
    BlockView,
    ChartView,
    MeterView,
    OrderView,
    OutputView,
    PositionView,
    PriceView,
    SignalView,
    TradeView,
)
from core.domain.forecast import MARKET, Because, Output
from core.domain.instrument import Instrument
from core.domain.market import Quote
from core.domain.operator import LimitEvent, LimitScope
from core.domain.orders import Order
from core.domain.trading import Signal, Trade
from core.engine.recent import Recent
from core.engine.silences import Silent
from core.market.history import BarHistory
from core.strategy.decision import Decider, vector
from core.strategy.declaration import Strategy
from core.trader import signal_text as words
from core.trader.limits import Reading
from core.trader.strategy_book import StrategyBook

_SPARK_BARS = 60


def decimals(instrument: Instrument) -> int:
    exponent = instrument.price_step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def output_views(s: StrategyBook, outputs: Sequence[Output]) -> tuple[OutputView, ...]:
    """What was said last of a symbol; none where nothing was, or by other outputs."""
    if s.forecast is None or len(s.forecast.values) != len(outputs):
        return ()
    said = zip(outputs, s.forecast.values, strict=True)
    return tuple(OutputView(output.name, value, output.unit) for output, value in said)


def because_views(because: Iterable[Because]) -> tuple[BecauseView, ...]:
    return tuple(BecauseView(one.what, one.value, one.needed, one.unit, one.note) for one in because)


def price_views(
    books: Mapping[str, StrategyBook],
    histories: Mapping[str, BarHistory],
    champions: Mapping[str, str],
    outputs: Sequence[Output],
    quotes: Mapping[str, Quote],
    silences: Mapping[str, Silent],
) -> tuple[PriceView, ...]:
    """Of every symbol that has a bar; of one that is not forecast now without what was forecast last."""
    return tuple(
        price_view(
            s,
            histories[symbol],
            champions.get(symbol, ""),
            () if _is_silent(symbol, silences) else outputs,
            quotes.get(symbol),
        )
        for symbol, s in books.items()
        if s.bar_close_ms
    )


def price_view(
    s: StrategyBook,
    history: BarHistory,
    model_version: str,
    outputs: Sequence[Output] = (),
    quote: Quote | None = None,
) -> PriceView:
    """`change_pct` is over the last 24 hours, or over what is stored where that is less. A quote is newer than the
    mark that decisions are made on."""
    closes = tuple(bar.close for bar in list(history.recent)[-_SPARK_BARS:])
    before = history.close_before(DAY_MS // history.interval_ms)
    last = _last(s, quote)
    return PriceView(
        symbol=s.instrument.symbol,
        last=last,
        change_pct=100.0 * (last / before - 1.0) if before else 0.0,
        as_of_ms=quote.time_ms if quote is not None else s.bar_close_ms,
        closes=closes,
        decimals=decimals(s.instrument),
        outputs=output_views(s, outputs),
        model_version=model_version,
    )


def _last(s: StrategyBook, quote: Quote | None) -> float:
    return (quote.bid + quote.ask) / 2.0 if quote is not None else s.mark


def position_view(s: StrategyBook, now_ms: int, quote: Quote | None = None) -> PositionView:
    """Valued at the quote where there is one, else at the mark."""
    trade = s.trade
    price = s.instrument.price
    targets = tuple(float(price(ticks)) for ticks in trade.next_ticks) if trade else ()
    cost = abs(s.cost_usdt)
    mark = _last(s, quote)
    unrealised = s.lots * s.lot_qty * mark - s.cost_usdt
    return PositionView(
        trade_id=trade.trade_id if trade else "",
        symbol=s.instrument.symbol,
        side="long" if s.lots > 0 else "short",
        qty=float(s.instrument.qty(abs(s.lots))),
        entry_price=s.entry_price,
        mark_price=mark,
        stop_price=float(price(trade.stop_ticks)) if trade and trade.stop_ticks else None,
        target_price=targets[0] if targets else None,
        notional_usdt=abs(s.lots) * s.lot_qty * mark,
        unrealised_usdt=unrealised,
        unrealised_pct=100.0 * unrealised / cost if cost else 0.0,
        opened_ms=trade.entry_time_ms if trade else 0,
        strategy=trade.origin.strategy if trade else "",
        decimals=decimals(s.instrument),
        protected=s.unprotected_since_ms is None,
        mark_ms=quote.time_ms if quote is not None else s.bar_close_ms or None,
        target_prices=targets,
        unprotected_ms=None if s.unprotected_since_ms is None else max(0, now_ms - s.unprotected_since_ms),
    )


def order_view(order: Order, instrument: Instrument) -> OrderView:
    ticks = order.trigger_ticks if order.trigger_ticks is not None else order.price_ticks
    return OrderView(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        role=order.role,
        qty=float(instrument.qty(order.qty_lots)),
        filled_qty=float(instrument.qty(order.filled_lots)),
        price=None if ticks is None else float(instrument.price(ticks)),
        state=order.state,
        created_ms=order.created_ms,
        reduce_only=order.reduce_only,
    )


def signal_view(signal: Signal, strategy: Strategy) -> SignalView:
    """`strategy` is the one in charge: what others' outputs were is not known any more."""
    return SignalView(
        time_ms=signal.time_ms,
        symbol=signal.symbol,
        direction=signal.direction,
        confidence=signal.confidence,
        action=signal.action,
        reason=signal.reason,
        model_version=signal.origin.version,
        reasons=tuple((c.feature, c.value, c.share) for c in signal.contributions),
        reasons_unit=strategy.part.outputs[0].unit if signal.origin.strategy == strategy.name else "",
        reasons_of=strategy.part.outputs[0].name if signal.origin.strategy == strategy.name else "",
        because=because_views(signal.because),
    )


def signal_views(
    books: Mapping[str, StrategyBook], recent: Recent, decider: Decider, silences: Mapping[str, Silent]
) -> tuple[SignalView, ...]:
    """What is silent now, what was forecast last and asked for nothing, and what was wanted, newest first. Of a symbol
    that is not forecast now, what was forecast last is over."""
    spoken_of = (s for symbol, s in books.items() if not _is_silent(symbol, silences))
    return (
        *silent_views(silences),
        *unwanted_views(spoken_of, recent, decider),
        *(signal_view(signal, decider.strategy) for signal in reversed(recent.signals)),
    )


def _is_silent(symbol: str, silences: Mapping[str, Silent]) -> bool:
    return symbol in silences or MARKET in silences


def silent_views(silences: Mapping[str, Silent]) -> list[SignalView]:
    """The newest bar of each symbol that is not forecast, with the reason why not."""
    return [
        SignalView(
            time_ms=silent.close_ms,
            symbol=symbol if symbol != MARKET else "market",
            direction=0,
            confidence=None,
            action=SILENT,
            reason=silent.reason,
            model_version=silent.version,
        )
        for symbol, silent in silences.items()
    ]


def _unwanted(s: StrategyBook, direction: int, strategy: Strategy) -> str:
    """What asked for a side while another trade was open is not asked again once that has ended."""
    if s.lots:
        return "no exit rule asks to leave"
    return "nothing was decided on it: the next one is" if direction else words.unwanted(strategy)


def unwanted_views(books: Iterable[StrategyBook], recent: Recent, decider: Decider) -> list[SignalView]:
    """The newest forecast of each symbol that asked for nothing, with the reason why not."""
    told = {(signal.symbol, signal.time_ms) for signal in list(recent.signals)[-_SPARK_BARS:]}
    strategy = decider.strategy
    views = []
    for s in books:
        f = s.forecast
        if f is None or (f.symbol, f.made_ms) in told or len(f.values) != len(strategy.outputs):
            continue
        decision = decider.decide(vector(f.values))
        views.append(
            SignalView(
                time_ms=f.made_ms,
                symbol=f.symbol,
                direction=decision.direction,
                confidence=decision.confidence,
                action="hold" if s.lots else "wait",
                reason=_unwanted(s, decision.direction, strategy),
                model_version=f.origin.version,
                reasons=tuple((c.feature, c.value, c.share) for c in f.contributions),
                reasons_unit=strategy.part.outputs[0].unit,
                reasons_of=strategy.part.outputs[0].name,
                because=because_views(decision.because),
            )
        )
    return views


def trade_view(trade: Trade) -> TradeView:
    return TradeView(
        trade_id=trade.trade_id,
        symbol=trade.symbol,
        side="long" if trade.side.sign > 0 else "short",
        qty=float(trade.qty),
        entry_price=float(trade.entry_price),
        exit_price=float(trade.exit_price),
        entry_time_ms=trade.entry_time_ms,
        exit_time_ms=trade.exit_time_ms,
        net_pnl_usdt=float(trade.net_pnl_usdt),
        exit_reason=trade.exit_reason,
    )


def meter_views(readings: Iterable[Reading]) -> tuple[MeterView, ...]:
    """One meter a limit; of a limit that is measured per symbol, the worst, and before those that are well one that
    cannot be measured."""
    worst: dict[str, Reading] = {}
    for reading in readings:
        held = worst.get(reading.rule.name)
        if held is None or _badness(reading) > _badness(held):
            worst[reading.rule.name] = reading
    return tuple(
        MeterView(
            name=f"{reading.rule.name} {reading.symbol}".strip(),
            used=reading.used,
            limit=reading.limit,
            unit=reading.rule.unit,
            level=reading.level,
            effect=reading.effect,
            clears=f"{reading.rule.clears} ({reading.note})" if reading.note else reading.rule.clears,
            formula=reading.rule.formula,
        )
        for reading in worst.values()
    )


def _badness(reading: Reading) -> tuple[bool, bool, float]:
    return reading.level == "blocked", reading.level == "unknown", reading.used


def block_views(events: Iterable[LimitEvent]) -> tuple[BlockView, ...]:
    return tuple(
        BlockView(e.limit, e.symbol, e.clears, e.note, e.origin.strategy if e.scope is LimitScope.STRATEGY else "")
        for e in events
    )


def chart_view(symbol: str, history: BarHistory, recent: Recent) -> ChartView:
    """Safe from any thread: raises RuntimeError where something was appended just then."""
    return ChartView(symbol, tuple(history.recent), tuple(recent.markers.get(symbol, ())))
