"""What others on the account do to a contract that we trade: in one-way mode it holds one net position for all.

The position that the exchange tells is what counts: a trade of another is looked for where that differs from the books,
and gives the difference its price and its fee. What goes against our position takes ours first, and is booked as a fill
of an order that was never placed by us; what is left over is of others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from core.arithmetic.cost_basis import USDT_QUANTUM
from core.domain.errors import DataError, QuarterdeckError, UnavailableError, VenueUnknownError
from core.domain.orders import OUTSIDE_PREFIX, RESTING_STATES, Fill, Order, OrderType, Side
from core.domain.records import EXTERNAL_LOTS, AdjustmentRecord, Record
from core.exchange.connection.wire import Row
from core.exchange.orders import translate
from core.exchange.orders.books import Books
from core.exchange.orders.incoming import Incoming
from core.exchange.orders.signs import Signs
from core.trader.ledger import ZERO

log = logging.getLogger("quarterdeck.exchange")

SETTLED = RESTING_STATES
_PART = "others"
_OVERLAP_MS = 10_000
_BPS = 10_000
_LOOKS, _LOOK_AGAIN_S = 5, 0.5
_READS, _IDENTIFICATIONS = 3, 20
_KEEP_ACCOUNTED = 5000


@dataclass(frozen=True, slots=True)
class Gap:
    """How a contract's position at the exchange differs from what is known: `net_lots` there, `ours_lots` in our books,
    `others_lots` of others as far as they are known."""

    symbol: str
    net_lots: int
    ours_lots: int
    others_lots: int

    @property
    def lots(self) -> int:
        """What the exchange holds beyond both."""
        return self.net_lots - self.ours_lots - self.others_lots

    @property
    def taken_lots(self) -> int:
        """How many lots of ours, unsigned, are gone: those that were traded against, and those that the net has no room
        for."""
        sign = 1 if self.ours_lots > 0 else -1
        held = abs(self.ours_lots)
        traded = min(held, max(0, -self.lots * sign))
        return max(traded, held - min(held, max(0, self.net_lots * sign)))


class Outside:
    """`look` compares the positions alone, and is asked for by whoever sees a sign of others; `gaps`, `explain` and
    `concede` are steps of the comparison of the whole account, too. What others hold is written to the venue's
    `others_lots`."""

    def __init__(self, books: Books, incoming: Incoming, signs: Signs) -> None:
        self._books = books
        self._venue = books.venue
        self._incoming = incoming
        self._clock = books.venue.wire.clock
        self._signs = signs
        self._lots = books.venue.others_lots
        self._accounted: OrderedDict[str, None] = OrderedDict()
        self._lock = asyncio.Lock()
        self._was_read = True

    def restore(self, records: Iterable[Record]) -> None:
        """Of the contracts that are traded: nobody looks at what is in others."""
        traded = self._venue.instruments
        for record in records:
            if isinstance(record, AdjustmentRecord) and record.what == EXTERNAL_LOTS and record.symbol in traded:
                self._lots[record.symbol] = int(record.theirs)
        for symbol in self._lots:
            self._tell(symbol)

    @property
    def lots(self) -> Mapping[str, int]:
        """Signed lots that others hold, as of the last look; flat symbols left out."""
        return {symbol: lots for symbol, lots in self._lots.items() if lots}

    async def look(self, at_rest: Collection[str] = ()) -> bool | None:
        """Compare the positions, and book what others did where their trades tell it. False where something differed,
        None where that cannot be judged yet: then another look is due soon. Orders `at_rest`, by their client ids, are
        known to have done nothing.

        Raises what reads of the exchange raise.
        """
        if self._incoming.waits:
            await self._incoming.identify()
        moving = {order.client_order_id for order in self._books.open_orders() if is_moving(order)}
        is_settled = moving.issubset(at_rest)
        seen = self._signs.seen()
        version = self._books.version
        theirs = await self._positions(protective=not self._venue.is_paced())
        if self._incoming.waits:
            return None
        is_settled = is_settled and self._books.version == version
        found = self.gaps(theirs)
        for gap in found:
            # Trades of others that make up a difference to the lot tell of it whatever is under way of ours.
            if gap.lots or is_settled:
                await self.explain(gap)
        if not is_settled:
            return None
        self._signs.looked({symbol: n for symbol, n in seen.items() if symbol not in {gap.symbol for gap in found}})
        return not found

    async def left_nothing_to(self, order: Order) -> bool:
        """Whether nothing is left that `order`, which only reduces and is known to have done nothing, would close. Who
        closed it is looked for at once, before the trader leaves anew.

        Raises what reads of the exchange raise.
        """
        held = await self._positions(protective=True)
        if held.get(order.symbol, 0) * order.side.sign < 0:
            return False
        for _ in range(_LOOKS):
            if await self.look(at_rest=(order.client_order_id,)):
                return False
            if not self._books.is_wanted(order):
                return True
            await asyncio.sleep(_LOOK_AGAIN_S)
        return True

    async def _positions(self, *, protective: bool) -> dict[str, int]:
        """What was lost on its way is asked for again soon; where the exchange is slow, it is given time."""
        timeout_ms = self._venue.protective_ms if self._was_read else None
        self._was_read = False
        theirs = await self._venue.positions_lots(protective=protective, timeout_ms=timeout_ms)
        self._was_read = True
        return theirs

    def gaps(self, theirs: Mapping[str, int]) -> list[Gap]:
        """Where `theirs`, signed lots by symbol, differ from what is known."""
        found = []
        state = self._books.trader.state
        for symbol in state.traded:
            gap = Gap(symbol, theirs.get(symbol, 0), state.symbols[symbol].lots, self._lots.get(symbol, 0))
            if gap.lots or gap.taken_lots:
                found.append(gap)
        return found

    async def explain(self, gap: Gap) -> bool:
        """Book what others did, where their trades tell it to the lot. True where something of the difference became
        known: then everything is compared anew."""
        async with self._lock:
            return await self._explain(gap)

    async def _explain(self, gap: Gap) -> bool:
        unread: QuarterdeckError | None = None
        try:
            rows = await self._take_trades(gap.symbol)
        except (UnavailableError, VenueUnknownError) as error:
            # What the stream told may be enough, to the lot.
            rows, unread = self._signs.heard_in(gap.symbol), error
        # An order of ours that was refused meanwhile changed nothing.
        if self._incoming.waits or self._is_over(gap):
            return True
        if not gap.lots:
            await self._book(gap, [self._crossed(gap)])
            return True
        others = self._that_make(gap, self._others(gap.symbol, rows))
        if self._moved(gap.symbol, others) == gap.lots and await self._book_crossed_before(gap, others):
            return True
        fills = self._fills(gap, others)
        is_known = sum(fill.qty_lots for fill in fills) == gap.taken_lots
        left = gap.lots + gap.taken_lots * (1 if gap.ours_lots > 0 else -1)
        if not is_known or (left and self._moved(gap.symbol, others) != gap.lots):
            if unread is not None:
                raise unread
            return False
        await self._book(gap, fills)
        self._account_for(gap.symbol, others)
        return True

    async def _book_crossed_before(self, gap: Gap, others: Sequence[Row]) -> bool:
        """Whether what our books opened closed lots that others held before, and is booked so. What others traded since
        makes the next difference: it closed nothing of that."""
        trade = self._books.trader.state.symbols[gap.symbol].oldest_trade()
        opened_ms = trade.entry_time_ms if trade is not None else 0
        before = [row for row in others if int(row["timestamp"]) < opened_ms - _OVERLAP_MS]
        held = gap.others_lots + self._moved(gap.symbol, before)
        then = Gap(gap.symbol, gap.ours_lots + held, gap.ours_lots, held)
        if not then.taken_lots:
            return False
        await self._book(then, [self._crossed(then)])
        self._account_for(gap.symbol, before)
        return True

    def _account_for(self, symbol: str, rows: Sequence[Row]) -> None:
        for row in rows:
            self._accounted[translate.fill_id(symbol, row["id"])] = None
        while len(self._accounted) > _KEEP_ACCOUNTED:
            self._accounted.popitem(last=False)

    async def concede(self, gap: Gap, ref: str) -> None:
        """Believe the exchange where nothing explains a difference: what is gone of ours is booked at the last price
        that is known, under an id made of `ref`; the rest is of others."""
        async with self._lock:
            fills = self._fills(gap, self._others(gap.symbol, await self._take_trades(gap.symbol)))
            if self._is_over(gap):
                return
            missing = gap.taken_lots - sum(fill.qty_lots for fill in fills)
            if missing:
                fills.append(self._untold(gap, missing, ref))
            await self._book(gap, fills)

    async def note_first(self, theirs: Mapping[str, int]) -> None:
        """What is on an account before the first order of ours is another's."""
        state = self._books.trader.state
        for symbol in state.traded:
            note = self._note(symbol, theirs.get(symbol, 0) - state.symbols[symbol].lots)
            await self._books.record([note] if note is not None else [])

    def _is_over(self, gap: Gap) -> bool:
        """Whether what is known has moved since the difference was seen."""
        ours_lots = self._books.trader.state.symbols[gap.symbol].lots
        return (ours_lots, self._lots.get(gap.symbol, 0)) != (gap.ours_lots, gap.others_lots)

    async def _take_trades(self, symbol: str) -> list[Row]:
        """The trades of the account since our position was opened, ours of them taken in."""
        rows = await self._read_trades(symbol)
        await self._incoming.take(symbol, rows, asked=True)
        # Once it is known whose they are they tell of the difference: it need not be looked for anew.
        for _ in range(_IDENTIFICATIONS):
            if not self._incoming.waits:
                break
            await self._incoming.identify()
            if self._incoming.waits:
                await asyncio.sleep(_LOOK_AGAIN_S)
        return rows

    async def _read_trades(self, symbol: str) -> list[Row]:
        """A difference waits: what was lost or turned away is asked for again soon, but for a rate limit, before the
        positions are, which tell no more."""
        for tries_left in range(_READS, 0, -1):
            is_soon = not self._venue.is_paced()
            try:
                since_ms = self._since_ms(symbol)
                return await self._venue.trades_since(symbol, since_ms, self._venue.protective_ms, protective=is_soon)
            except (UnavailableError, VenueUnknownError):
                if tries_left == 1 or not is_soon:
                    raise
        raise AssertionError("the last try ends either way")

    def _since_ms(self, symbol: str) -> int:
        trade = self._books.trader.state.symbols[symbol].oldest_trade()
        opened_ms = trade.entry_time_ms if trade is not None and trade.entry_time_ms else self._books.agreed_ms
        return min(opened_ms, self._books.agreed_ms) - _OVERLAP_MS

    def _others(self, symbol: str, rows: Sequence[Row]) -> list[Row]:
        """The trades of others that are not booked, oldest first."""
        known, ledger = self._venue.known, self._books.trader.state.ledger
        return [
            row
            for row in rows
            if known.of_trade_row(symbol, row) is None
            and known.is_others(symbol, str(row.get("order") or ""))
            and not ledger.has_fill(symbol, translate.fill_id(symbol, row["id"]))
            and translate.fill_id(symbol, row["id"]) not in self._accounted
        ]

    def _that_make(self, gap: Gap, others: Sequence[Row]) -> Sequence[Row]:
        """The newest of them, as many as make up the difference to the lot; all where none do. The oldest
        may have been known of before a restart: which they were is not written down."""
        moved = self._moved(gap.symbol, others)
        for n, row in enumerate(others):
            if moved == gap.lots:
                return others[n:]
            moved -= self._moved(gap.symbol, [row])
        return others

    def _moved(self, symbol: str, others: Sequence[Row]) -> int:
        """Signed lots that others traded since the account was last known to agree."""
        instrument, moved = self._venue.instruments[symbol], 0
        for row in others:
            if row["timestamp"] > self._books.agreed_ms:
                try:
                    moved += translate.lots_of(row["amount"], instrument) * Side(str(row["side"])).sign
                except translate.OffGridError as error:
                    self._venue.off_grid.publish(symbol, str(error))
        return moved

    def _fills(self, gap: Gap, others: Sequence[Row]) -> list[Fill]:
        """As much of what is gone of ours as the trades of others tell, the newest of them first; in their order."""
        left, side = gap.taken_lots, Side.SELL if gap.ours_lots > 0 else Side.BUY
        trade = self._books.trader.state.symbols[gap.symbol].oldest_trade()
        opened_ms = trade.entry_time_ms if trade is not None else 0
        fills: list[Fill] = []
        for row in reversed(others):
            if not left or row["side"] != side.value or int(row["timestamp"]) < opened_ms - _OVERLAP_MS:
                continue
            try:
                fill, _ = translate.fill_in(row, "", self._venue.instruments[gap.symbol])
            except translate.OffGridError as error:
                self._venue.off_grid.publish(gap.symbol, str(error))
                continue
            except DataError as error:
                self._books.note_unreadable(error, f"trade {row.get('id')} of {gap.symbol}")
                continue
            lots = min(left, fill.qty_lots)
            fills.append(_part_of(fill, lots, opened_ms))
            left -= lots
        return fills[::-1]

    def _crossed(self, gap: Gap) -> Fill:
        """Where only the two sides differ, an order of ours closed lots of others, and what our books opened with it is
        not there: nobody traded since, so it ends at the price that it began at, and its fee is paid."""
        s = self._books.trader.state.symbols[gap.symbol]
        trade = s.oldest_trade()
        ref = f"crossed-{trade.trade_id if trade is not None else gap.symbol}-{gap.ours_lots}"
        return self._made_up(gap, gap.taken_lots, ref, s.instrument.ticks_nearest(s.entry_price), ZERO)

    def _untold(self, gap: Gap, lots: int, ref: str) -> Fill:
        """A fill of which only the position tells."""
        s = self._books.trader.state.symbols[gap.symbol]
        ticks = s.instrument.ticks_nearest(s.mark)
        fee = s.instrument.notional_usdt(lots, ticks) * s.instrument.taker_fee_bps / _BPS
        return self._made_up(gap, lots, ref, ticks, fee.quantize(USDT_QUANTUM, ROUND_HALF_EVEN))

    def _made_up(self, gap: Gap, lots: int, ref: str, ticks: int, fee_usdt: Decimal) -> Fill:
        return Fill(
            fill_id=f"{OUTSIDE_PREFIX}{ref}",
            client_order_id=f"{OUTSIDE_PREFIX}{ref}",
            symbol=gap.symbol,
            side=Side.SELL if gap.ours_lots > 0 else Side.BUY,
            qty_lots=lots,
            price_ticks=ticks,
            fee_usdt=fee_usdt,
            is_maker=False,
            time_ms=self._clock.now_ms(),
        )

    async def _book(self, gap: Gap, fills: Sequence[Fill]) -> None:
        """Tell the trader of the fills; with the last of them what is left over of others becomes known."""
        left_of_ours = gap.ours_lots - gap.taken_lots * (1 if gap.ours_lots > 0 else -1)
        note = self._note(gap.symbol, gap.net_lots - left_of_ours)
        notes = [note] if note is not None else []
        for n, fill in enumerate(fills, 1):
            log.warning(
                "%s: others closed %s of our position at %s",
                gap.symbol,
                self._venue.instruments[gap.symbol].qty(fill.qty_lots),
                self._venue.instruments[gap.symbol].price(fill.price_ticks),
            )
            await self._books.tell(fill, notes if n == len(fills) else ())
        if not fills:
            await self._books.record(notes)

    def _note(self, symbol: str, lots: int) -> AdjustmentRecord | None:
        before = self._lots.get(symbol, 0)
        if lots == before:
            return None
        self._lots[symbol] = lots
        self._tell(symbol)
        instrument = self._venue.instruments[symbol]
        had, have = instrument.qty(before), instrument.qty(lots)
        log.warning("%s: others hold %s %s on this account, %s before", symbol, have, instrument.base, had)
        now_ms = self._clock.now_ms()
        return AdjustmentRecord(f"external-{symbol}-{now_ms}", now_ms, symbol, EXTERNAL_LOTS, str(before), str(lots))

    def _tell(self, symbol: str) -> None:
        """A contract in which others hold lots gets no entry of ours."""
        lots, problem = self._lots.get(symbol, 0), ""
        if lots and symbol in self._venue.instruments:
            instrument = self._venue.instruments[symbol]
            qty, base = instrument.qty(abs(lots)), instrument.base
            problem = f"{'long' if lots > 0 else 'short'} {qty} {base} on this account are not ours"
        self._venue.wire.health.report(_PART, problem, symbol)


def is_moving(order: Order) -> bool:
    """Whether the order may have traded without our knowing yet."""
    return order.state not in SETTLED or order.type is OrderType.MARKET


def _part_of(fill: Fill, lots: int, opened_ms: int) -> Fill:
    """`lots` of a trade of another, with their share of its fee, as a fill of an order of its own; not before our
    position was opened, although the two may have crossed."""
    fee = fill.fee_usdt if lots == fill.qty_lots else fill.fee_usdt * lots / fill.qty_lots
    return Fill(
        fill_id=fill.fill_id,
        client_order_id=f"{OUTSIDE_PREFIX}{fill.fill_id}",
        symbol=fill.symbol,
        side=fill.side,
        qty_lots=lots,
        price_ticks=fill.price_ticks,
        fee_usdt=fee.quantize(USDT_QUANTUM, ROUND_HALF_EVEN),
        is_maker=fill.is_maker,
        time_ms=max(fill.time_ms, opened_ms),
    )
