"""Which stored market a demo trades, and by what contract rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from core.domain.errors import BadInputError
from core.engine.assembly.account import MARKET
from core.market.shipped import INSTRUMENTS

if TYPE_CHECKING:
    from core.domain.instrument import Instrument
    from core.engine.assembly.start import EngineStart
    from core.engine.assembly.stores import AccountJournal, OpenedCandles
    from core.ports import ObservationStore
    from core.settings.values import Market

Spans = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class DemoMarket:
    """`spans` holds first open and last close of each traded symbol. `source` is what the console calls it."""

    name: Market
    candles: OpenedCandles
    spans: Spans
    source: str


async def market_of(journal: AccountJournal, settings_market: Market, *, is_new: bool) -> Market:
    """The market that an account trades. Raises BadInputError where the settings name another one."""
    # Accounts of before there was a choice have no such fact.
    traded = cast("Market", settings_market if is_new else await journal.get_meta(MARKET) or "recorded")
    if traded != settings_market:
        raise BadInputError(
            f'this account trades the {traded} market, and demo.market is "{settings_market}"; set it to "{traded}", '
            "or use another --home"
        )
    return traded


async def open_market(start: EngineStart, name: Market) -> DemoMarket:
    """Closed with the start's stack. Raises BadInputError, with what there is, where a symbol has no bars."""
    from core.market.lacking import not_there

    settings = start.settings
    symbols, interval_ms = settings.market.symbols, settings.market.interval_ms
    store = start.stores.recorded() if name == "recorded" else start.stores.imported()
    candles = await store.candles(interval_ms, read_only=True)
    start.stack.push_async_callback(candles.close)
    found = {symbol: await candles.span(symbol) for symbol in symbols}
    spans = {symbol: span for symbol, span in found.items() if span is not None}
    if len(spans) < len(symbols):
        raise not_there(
            name,
            interval_ms,
            symbols,
            [symbol for symbol in symbols if symbol not in spans],
            store.all_series(),
            home=str(start.home.root),
            name_one="in market.symbols",
            take_recorded='demo.market = "recorded"',
        )
    source = "recorded Binance USD-M"
    if name == "imported":
        is_synthetic = any(series.is_synthetic for series in store.all_series() if series.symbol in spans)
        source = "imported candles, SYNTHETIC" if is_synthetic else "imported candles"
    return DemoMarket(name, candles, spans, source)


async def open_observations(start: EngineStart, name: Market) -> ObservationStore:
    """What the same market has beside bars and funding. Closed with the start's stack."""
    store = start.stores.recorded() if name == "recorded" else start.stores.imported()
    observations = await store.observations(read_only=True)
    start.stack.push_async_callback(observations.close)
    return observations


async def contracts_of(start: EngineStart, market: DemoMarket, from_ms: int) -> dict[str, Instrument]:
    """Those of the traded symbols: the recorded market's come with it, an imported one's are those known of the time
    from which on it is traded, or read off its candles. Raises BadInputError where there are none, or the candles are
    not of them."""
    from core.market.contracts.inference import rules_of_bars
    from core.market.contracts.instruments import chosen, load_instruments
    from core.market.contracts.known import known_rules

    settings = start.settings
    if market.name == "recorded":
        return chosen(load_instruments(INSTRUMENTS, settings.costs), settings.market.symbols)
    known = known_rules(start.stores.imported().rules())
    return {
        symbol: rules_of_bars(await market.candles.bars(symbol, *span), known, from_ms).instrument(settings.costs)
        for symbol, span in market.spans.items()
    }
