"""Streams beside the market that is traded: what came of them is stored, then told with what the market tells next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from core.domain.errors import BadInputError
from core.domain.market import MarketBatch
from core.exchange.connection.wire import Wire
from core.exchange.dialects import observed_of
from core.market.live.observing import WEIGHT_AN_HOUR, LiveStreams, live_names
from core.market.live.ration import Rationed
from core.ports import ObservationStore


def check_beside(exchange_id: str, names: Sequence[str]) -> None:
    """Raises BadInputError for a stream that cannot be had beside a market: one that the exchange does not tell, or
    pushes on the connections of the market itself."""
    pushed = [name for name in live_names(exchange_id, names) if name in observed_of(exchange_id).pushed]
    if pushed:
        raise BadInputError(
            f"stream {pushed[0]}: paper and live take in bars, funding, the time of day and streams of periods, as "
            "open_interest.5m; demo and lab have it"
        )


class StreamsBeside:
    """Implements what an engine's feed is given of `names` (`check_beside`). `run` beside the market keeps them."""

    def __init__(self, wire: Wire, symbols: Sequence[str], names: Sequence[str], store: ObservationStore) -> None:
        self._live = LiveStreams(wire, symbols, names, reads=Rationed(wire, WEIGHT_AN_HOUR))
        self._store = store

    async def run(self) -> None:
        await self._live.run()

    async def batches(self, market: AsyncIterator[MarketBatch]) -> AsyncIterator[MarketBatch]:
        """The market's, each with what was received before it and is stored now."""
        async for batch in market:
            observed = self._live.waiting()
            await self._store.append(observed)
            yield replace(batch, observed=tuple(observed)) if observed else batch
