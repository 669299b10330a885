"""The bars and first prices of a stored market, taken one by one as a journal says that they were told."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from core.domain.market import Bar, FirstPrice, Told
from core.domain.records import CursorRecord, FirstPriceRecord
from core.market.replay.events import event_time_ms


class ToldMarket:
    """Gives what comes next in the order of the candles, or what is named wherever it stands among other symbols'."""

    def __init__(self, events: AsyncIterator[Told], first_price_delay_ms: int) -> None:
        self._events = events
        self._delay_ms = first_price_delay_ms
        self._ahead: deque[Bar | FirstPrice] = deque()
        self._last: Bar | FirstPrice | None = None
        self._is_named = False
        self._priced: dict[str, int] = {}

    async def next(self) -> Bar | FirstPrice | None:
        """None where no candle is left."""
        event = await self._peek()
        if event is not None:
            self._ahead.popleft()
        self._last, self._is_named = event, False
        return event

    async def named(self, record: CursorRecord | FirstPriceRecord) -> Bar | FirstPrice | None:
        """The bar or first price of a record: a symbol's come in their order, whatever those of others do.

        A first price whose record has it needs no candle. None where the candle is missing or another comes first.
        """
        event: Bar | FirstPrice | None
        if isinstance(record, FirstPriceRecord) and record.price is not None:
            event = FirstPrice(record.symbol, record.open_time_ms + self._delay_ms, record.open_time_ms, record.price)
            self._priced[record.symbol] = record.open_time_ms
            self._ahead = deque(ahead for ahead in self._ahead if not self._is_priced(ahead))
        else:
            event = await self._find(record.symbol, FirstPrice if isinstance(record, FirstPriceRecord) else Bar)
            if event is None or event.open_time_ms != record.open_time_ms:
                return None
            self._ahead.remove(event)
        self._last, self._is_named = event, True
        return event

    async def instead(self) -> str:
        """What comes next, in words."""
        ahead = await self._peek()
        return "no candle is left" if ahead is None else f"{_words(ahead)} comes first: candles were changed since"

    async def out_of_step(self, time_ms: int) -> str:
        """Why the account cannot have been sampled now; empty when it can: behind the last of the bars of `time_ms`.

        Where the journal names what was told, a symbol that was late then may still be ahead.
        """
        last = self._last
        if last is None or not isinstance(last, Bar) or last.close_time_ms != time_ms:
            return f"{_words(last)} came last: a record before this one is missing, or candles were changed since"
        ahead = None if self._is_named else await self._peek()
        if ahead is not None and event_time_ms(ahead) <= time_ms:
            return f"{_words(ahead)} comes first: candles were added since, or the journal lacks it"
        return ""

    async def _find(self, symbol: str, kind: type[Bar | FirstPrice]) -> Bar | FirstPrice | None:
        place = 0
        while place < len(self._ahead) or await self._read():
            event = self._ahead[place]
            if event.symbol == symbol and isinstance(event, kind):
                return event
            place += 1
        return None

    async def _peek(self) -> Bar | FirstPrice | None:
        return self._ahead[0] if self._ahead or await self._read() else None

    async def _read(self) -> bool:
        """Whether the market had one more."""
        while (event := await anext(self._events, None)) is not None:
            if isinstance(event, Bar | FirstPrice) and not self._is_priced(event):
                self._ahead.append(event)
                return True
        return False

    def _is_priced(self, event: Bar | FirstPrice) -> bool:
        """Whether a first price was told by its record, or passed over."""
        return isinstance(event, FirstPrice) and event.open_time_ms <= self._priced.get(event.symbol, -1)


def _words(event: Bar | FirstPrice | None) -> str:
    if event is None:
        return "no bar"
    what = "the bar" if isinstance(event, Bar) else "the first price"
    return f"{what} of {event.symbol} that opened at {event.open_time_ms}"
