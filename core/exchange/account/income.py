"""What moved the wallet beside trades: funding, transfers and the like, by the exchange's history of income."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from core.arithmetic.cost_basis import USDT_QUANTUM
from core.domain.errors import DataError, QuarterdeckError, VenueRejectedError
from core.domain.plain import plain
from core.domain.records import FundingRecord, Record
from core.domain.trading import FundingPayment
from core.exchange.connection.wire import Row
from core.exchange.orders.books import Books
from core.exchange.orders.rows import part, readable
from core.exchange.orders.translate import SETTLEMENT, ZERO, exact
from core.trader.messages import WalletAdjustment

log = logging.getLogger("quarterdeck.exchange")

_PAGE = 1000
_RATE_NEAR_MS = 60_000
_OVERLAP_MS = 600_000


class Income:
    def __init__(self, books: Books) -> None:
        self._books = books
        self._wire = books.venue.wire
        self._words = self._wire.dialect.words
        self._from_ms = self._wire.clock.now_ms()
        self._is_told = True

    def restore(self, records: Sequence[Record], from_ms: int) -> None:
        """Funding is looked for from `from_ms` on, or since the last that was booked."""
        paid = [record.payment.time_ms for record in records if isinstance(record, FundingRecord)]
        self._from_ms = max([from_ms, *paid])

    async def take_funding(self, external_lots: Mapping[str, int]) -> None:
        """Book the funding of our positions that is not booked yet.

        Where others hold a part of the position, ours is the share of our lots.
        """
        started_ms = self._wire.clock.now_ms()
        for row in await self._funding_rows():
            symbol = self._wire.symbol(str(row.get("symbol")))
            if symbol not in self._books.venue.instruments:
                continue
            try:
                await self._book(symbol, row, external_lots.get(symbol, 0))
            except DataError as error:
                self._books.note_unreadable(error)
        self._from_ms = max(self._from_ms, started_ms - _OVERLAP_MS)

    async def others_since(self, since_ms: int) -> list[WalletAdjustment]:
        """Transfers, bonuses, insurance and the like since `since_ms`, oldest first; none where nothing is told."""
        found = []
        for row in await self._history(since_ms):
            told, time_ms = self._words.income(row), row["timestamp"]
            if time_ms <= since_ms or told.of_trades or told.asset != SETTLEMENT:
                continue
            try:
                amount = exact(told.amount, "an income")
            except DataError as error:
                self._books.note_unreadable(error)
                continue
            found.append(
                WalletAdjustment(f"income-{row['id']}", time_ms, amount, plain(told.kind.lower().replace("_", " ")))
            )
        return found

    def _readable(self, rows: Sequence[Row]) -> list[Row]:
        return readable(rows, self._books.venue.rows.income, self._books.note_unreadable)

    async def _funding_rows(self) -> list[Row]:
        try:
            return await self._since("fetch_funding_history", self._from_ms)
        except VenueRejectedError as error:
            self._tell_once(error)
            return []

    async def _history(self, since_ms: int) -> list[Row]:
        try:
            return await self._since("fetch_ledger", since_ms)
        except QuarterdeckError as error:
            self._tell_once(error)
            return []

    async def _since(self, method: str, since_ms: int) -> list[Row]:
        """All that an exchange tells since then, oldest first, however many answers it takes."""
        rows: dict[tuple[str, ...], Row] = {}
        while True:
            page = await self._wire.read(method, None, since_ms, _PAGE, weight=30)
            told = {self._key(row): row for row in self._readable(page)}
            has_news = not told.keys() <= rows.keys()
            rows = told | rows
            if len(page) < _PAGE or not told:
                return sorted(rows.values(), key=lambda row: int(row["timestamp"]))
            newest_ms = max(row["timestamp"] for row in told.values())
            # More of the newest millisecond may be on the next page.
            since_ms = newest_ms if has_news and newest_ms > since_ms else newest_ms + 1

    async def _book(self, symbol: str, row: Row, external_lots: int) -> None:
        told = self._words.income(row)
        amount = exact(told.amount, "a funding payment")
        payment_id = f"funding-{symbol}-{row.get('id')}"
        state = self._books.trader.state
        lots, time_ms = state.symbols[symbol].lots, row["timestamp"]
        if state.ledger.has_payment(payment_id) or told.asset not in (None, SETTLEMENT):
            return
        if external_lots:
            held = lots + external_lots
            amount = (amount * lots / held).quantize(USDT_QUANTUM, ROUND_HALF_EVEN) if held else ZERO
            if not amount:
                return
        rate, mark = await self._rate(symbol, time_ms)
        if rate and mark and not external_lots:
            # The payment itself tells on how many lots it was made, also when they are gone by now.
            value = self._books.venue.instruments[symbol].qty(1) * mark * rate
            lots = int((-amount / value).to_integral_value(ROUND_HALF_EVEN))
        await self._books.tell(FundingPayment(payment_id, symbol, time_ms, rate, mark, lots, amount))

    async def _rate(self, symbol: str, time_ms: int) -> tuple[Decimal, Decimal]:
        """Rate and mark price of the funding at `time_ms`; zeros, said aloud, where they are not told."""
        unified = self._wire.unified(symbol)
        try:
            rows = await self._wire.read("fetch_funding_rate_history", unified, time_ms - _RATE_NEAR_MS, 10)
        except QuarterdeckError as error:
            log.warning("the funding rate of %s is not known: %s", symbol, error)
            return ZERO, ZERO
        for row in rows:
            told_ms = part(row).get("timestamp")
            if isinstance(told_ms, int) and abs(told_ms - time_ms) <= _RATE_NEAR_MS:
                mark = self._words.mark_price(row) or 0
                return exact(row.get("fundingRate"), "a funding rate"), exact(mark, "a mark price")
        log.warning("the funding rate of %s is not told", symbol)
        return ZERO, ZERO

    def _tell_once(self, error: QuarterdeckError) -> None:
        if self._is_told:
            self._is_told = False
            log.warning("%s: the history of income cannot be read, and the wallet is adjusted without a reason", error)

    def _key(self, row: Row) -> tuple[str, ...]:
        """The exchange's ids are unique within one kind of income only."""
        return (str(row["id"]), str(row.get("symbol")), self._words.income(row).kind)
