"""What is missing of some contracts' past, fetched from where it is to be had: whole past months and days from the
exchange's archive, the rest, and what the archive lacks, from the exchange itself.

What is stored is all that is remembered: a fetch that ended early is gone on with by asking for the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy as np

from core.domain.errors import BadInputError, QuarterdeckError, RejectKind, UnavailableError, VenueRejectedError
from core.domain.market import Bar
from core.domain.progress import OnProgress, Progress
from core.exchange.connection.wire import Wire
from core.exchange.dialects import EXCHANGES
from core.market.fetch.plan import (
    DAY_MS,
    LEAST_BARS,
    ArchiveFile,
    Candles,
    Times,
    candle_files,
    funding_files,
    instead,
    mark_file,
    whole,
)
from core.market.fetch.rest import (
    HOUR_MS,
    candle_file,
    candle_pages,
    first_day_ms,
    funding_parts,
    funding_rates,
    funding_rows,
    new_rates,
    with_marks,
)
from core.market.fetch.unpack import read_candles, read_funding
from core.market.importing import CandleFile, FundingFile
from core.market.intervals import interval_text
from core.market.kinds import CANDLES, FUNDING, MARK
from core.market.live.rows import SETTLED_MS
from core.ports import SettledFunding
from core.trader.account import iso

PAGES_AT_ONCE = 16
"""So many pages of candles are stored together, in one transaction."""

LONGEST_FUNDING_MS = 8 * HOUR_MS
"""No exchange settles more seldom."""

NOWHERE = "nowhere"
STORED = "stored before"


class FetchStore(Protocol):
    """Where fetched data goes. All of it may raise StorageError, and DataError where it contradicts what is stored."""

    def candle_times(self, wanted: Candles) -> Times:
        """The open times of the bars that are stored of a period, ascending."""
        ...

    def sources(self, symbol: str) -> Collection[str]:
        """The names of all that anything of a symbol came from."""
        ...

    def unfinished(self, wanted: Candles) -> Collection[str]:
        """The names of the sources of such candles of which not all is stored: something ended the process."""
        ...

    def funding(self, symbol: str, from_ms: int, to_ms: int) -> Iterable[tuple[int, str]]:
        """Time and rate of the settlements that are stored of a period."""
        ...

    def put(self, file: CandleFile | FundingFile) -> int:
        """Store the rows of a file; how many were new."""
        ...


class ArchiveFiles(Protocol):
    """As `core.market.fetch.archive.Archive`."""

    async def fetch(self, file: ArchiveFile, share: Callable[[float], None]) -> Path | None: ...


@dataclass(slots=True)
class Taken:
    """What came of one symbol from one source; `kind` is candles, funding or mark. Times are the first row's and the
    last's. Where the source is NOWHERE the rows are those that nobody has."""

    symbol: str
    kind: str
    interval: str
    source: str
    from_ms: int
    to_ms: int
    files: int = 0
    rows: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Fetch:
    """One fetch. `wire` is None where the exchange cannot be asked, `archive` where there is none; `unlisted` has the
    symbols that the exchange cannot be asked for, and why that is. `now_ms` is the exchange's time as it told it, or
    this machine's. `tell` hears what the operator should know, a line each."""

    exchange: str
    wire: Wire | None
    unlisted: Mapping[str, QuarterdeckError]
    archive: ArchiveFiles | None
    store: FetchStore
    now_ms: int
    tell: Callable[[str], None]
    progress: OnProgress
    taken: list[Taken] = field(default_factory=list)
    _done: float = 0
    _total: int = 0

    async def run(
        self, symbols: Sequence[str], interval_ms: int, from_ms: int, to_ms: int, *, with_mark: bool = True
    ) -> None:
        """Fetch candles and funding of [from_ms, to_ms), and candles of the mark price `with_mark`.

        Raises DataError where a file does not match its checksum or contradicts what is stored, BadInputError for a
        symbol that nobody knows, UnavailableError, StorageError.
        """
        for symbol in symbols:
            self._check_market(symbol)
        # A candle that may still change is not asked for.
        to_ms = min(to_ms, self.now_ms - SETTLED_MS)
        begins_ms = [await self._begin(symbol, from_ms, to_ms) for symbol in symbols]
        wanted = [
            whole(symbol, interval_ms, begin_ms, to_ms) for symbol, begin_ms in zip(symbols, begins_ms, strict=True)
        ]
        marks = {each.symbol: replace(each, kind=MARK) for each in wanted if with_mark}
        self._total = sum(each.missing(self.store.candle_times(each)) for each in (*wanted, *marks.values()))
        for each in wanted:
            if each.bars:
                await self._candles(each)
                await self._funding(each.symbol, each.from_ms, each.to_ms)
                if with_mark:
                    await self._mark(marks[each.symbol])
        self.progress(Progress(self._total, self._total, "bars"))

    async def _begin(self, symbol: str, from_ms: int, to_ms: int) -> int:
        """`from_ms`, or when the exchange began with the contract where that was later."""
        wire = self._wire_for(symbol)
        if wire is None:
            return from_ms
        told = wire.client.markets[wire.unified(symbol)].get("created")
        listed_ms = told if isinstance(told, int) else await first_day_ms(wire, symbol, from_ms, to_ms)
        if listed_ms is None or listed_ms <= from_ms:
            return from_ms
        self.tell(f"{symbol}: {self.exchange} has it since {iso(listed_ms)}")
        return listed_ms

    def _wire_for(self, symbol: str) -> Wire | None:
        return None if symbol in self.unlisted else self.wire

    async def _candles(self, wanted: Candles) -> None:
        before = self.store.candle_times(wanted)
        if len(before):
            self._took(wanted, STORED, (int(before[0]), int(before[-1])), len(before))
        await self._from_archive(wanted, before)
        await self._from_exchange(wanted)
        missing = _missing(wanted, self.store.candle_times(wanted))
        if len(missing) == wanted.bars and wanted.kind == CANDLES:
            raise self._nothing(wanted)
        if len(missing):
            self._took(wanted, NOWHERE, (int(missing[0]), int(missing[-1])), len(missing))

    async def _from_archive(self, wanted: Candles, stored: Times) -> None:
        least_bars = LEAST_BARS if self._wire_for(wanted.symbol) is not None else 1
        names = self.store.unfinished(wanted)
        unfinished = [PurePath(name.rpartition(" ")[2]).stem for name in names]
        files = candle_files(wanted, stored, self.now_ms, least_bars, unfinished)
        while files and self.archive is not None:
            file = files.pop(0)
            bars = replace(wanted, from_ms=file.from_ms, to_ms=file.to_ms).missing(stored)
            packed = await self._file(file, bars)
            if packed is None:
                files[:0] = instead(file, wanted, self.now_ms)
                continue
            found = read_candles(packed, file, wanted.symbol, wanted.interval_ms, wanted.kind)
            added = self.store.put(self._named(found))
            packed.unlink()
            self._done += bars
            self._took(wanted, f"{file.period} archive", (file.from_ms, file.to_ms - wanted.interval_ms), added, 1)

    async def _file(self, file: ArchiveFile, bars: int) -> Path | None:
        """None also where the archive cannot be reached, which then is asked for nothing more."""
        if self.archive is None:
            return None
        done = self._done

        def share(part: float) -> None:
            self.progress(Progress(int(done + bars * part), self._total, "bars", file.name))

        share(0)
        try:
            return await self.archive.fetch(file, share)
        except UnavailableError as error:
            if self.wire is None:
                raise
            self.tell(f"the archive is left out: {error}")
            self.archive = None
            return None

    async def _from_exchange(self, wanted: Candles) -> None:
        """Every bar that is missing still."""
        missing, wire = _missing(wanted, self.store.candle_times(wanted)), self._wire_for(wanted.symbol)
        if not len(missing) or wire is None:
            return
        if wanted.kind == MARK:
            missing = await self._since_told(wire, wanted, missing)
        bars: list[Bar] = []
        pages = 0
        try:
            async for page in candle_pages(wire, wanted, missing, self.now_ms):
                bars += page
                pages += 1
                self._done += len(page)
                self.progress(Progress(int(self._done), self._total, "bars", f"{wanted.symbol} of {self.exchange}"))
                if pages % PAGES_AT_ONCE == 0:
                    bars = self._put(wanted, bars)
        finally:
            self._put(wanted, bars)

    def _put(self, wanted: Candles, bars: list[Bar]) -> list[Bar]:
        """Store what there is; the empty list that follows it."""
        if bars:
            added = self.store.put(candle_file(bars, self._rest, wanted.kind))
            self._took(wanted, self.exchange, (bars[0].open_time_ms, bars[-1].open_time_ms), added)
        return []

    async def _since_told(self, wire: Wire, wanted: Candles, missing: Times) -> Times:
        """Those that the exchange may have: its mark prices can begin long after its candles. Where no day has any, the
        last is asked for all the same, of which no candle may be there yet."""
        first_ms, last_ms = int(missing[0]), int(missing[-1])
        told_ms = await first_day_ms(wire, wanted.symbol, first_ms, last_ms + 1, wanted.kind)
        return missing[missing >= (last_ms // DAY_MS * DAY_MS if told_ms is None else told_ms)]

    async def _mark(self, wanted: Candles) -> None:
        try:
            await self._candles(wanted)
        except VenueRejectedError as error:
            if error.kind is not RejectKind.NOT_SUPPORTED:
                raise
            self.tell(f"{wanted.symbol}: {self.exchange} does not tell past mark prices")

    async def _funding(self, symbol: str, from_ms: int, to_ms: int) -> None:
        """From the exchange, which tells the mark prices; of a contract that it does not list, from the archive."""
        wire = self._wire_for(symbol)
        if wire is None:
            for file in funding_files(symbol, from_ms, to_ms, self.now_ms):
                await self._funding_file(symbol, file)
            return
        try:
            told = await funding_rates(wire, symbol, from_ms, to_ms)
        except VenueRejectedError as error:
            if error.kind is not RejectKind.NOT_SUPPORTED:
                raise
            self.tell(f"{symbol}: {self.exchange} does not tell past funding")
            return
        self._tell_lack(symbol, told, from_ms, to_ms)
        self._put_funding(symbol, told, self.exchange, self._rest)

    def _tell_lack(self, symbol: str, told: Sequence[SettledFunding], from_ms: int, to_ms: int) -> None:
        """Exchanges keep funding for less long than candles."""
        first_ms = told[0].time_ms if told else to_ms
        if first_ms - from_ms > LONGEST_FUNDING_MS:
            self.tell(f"{symbol}: no funding is told from {iso(from_ms)} to {iso(first_ms)}")

    async def _funding_file(self, symbol: str, file: ArchiveFile) -> None:
        packed = await self._file(file, 0)
        if packed is None:
            return
        rates = funding_rows(read_funding(packed, file, symbol))
        hours = mark_file(symbol, file)
        packed_marks = await self._file(hours, 0)
        if packed_marks is not None:
            rates = with_marks(rates, read_candles(packed_marks, hours, symbol, HOUR_MS, MARK).bars)
        self._put_funding(symbol, rates, f"{file.period} archive", f"{self.exchange} {file.name}", 1)
        packed.unlink()

    def _put_funding(self, symbol: str, told: Sequence[SettledFunding], source: str, name: str, files: int = 0) -> None:
        if not told:
            return
        span = told[0].time_ms, told[-1].time_ms
        news = new_rates(self.store.funding(symbol, span[0] - SETTLED_MS, span[1] + SETTLED_MS), told, name)
        for part in funding_parts(news, name):
            added = self.store.put(part)
            self._add(Taken(symbol, FUNDING, interval_text(part.interval_ms), source, *span, files, added))
            files = 0

    @property
    def _rest(self) -> str:
        return f"{self.exchange} REST"

    def _named(self, file: CandleFile) -> CandleFile:
        """Its name in the store says whose candles they are."""
        return replace(file, origin=replace(file.origin, name=f"{self.exchange} {file.origin.name}"))

    def _check_market(self, symbol: str) -> None:
        """Raises BadInputError where another exchange's prices are stored of the symbol: in one series with these they
        would be a market that never was."""
        stored = {name.partition(" ")[0] for name in self.store.sources(symbol)}
        others = sorted(stored & set(EXCHANGES) - {self.exchange})
        if others:
            raise BadInputError(
                f"{symbol}: what is stored of it is of {others[0]}, and that of {self.exchange} is another market; "
                "fetch it into another folder with --home"
            )

    def _nothing(self, wanted: Candles) -> QuarterdeckError:
        where = f"{self.exchange} and its archive have" if self.archive is not None else f"{self.exchange} has"
        text = (
            f"{wanted.symbol}: {where} no candles of {interval_text(wanted.interval_ms)} from {iso(wanted.from_ms)} to "
            f"{iso(wanted.to_ms)}; correct the symbol or the period"
        )
        return self.unlisted.get(wanted.symbol) or BadInputError(text)

    def _took(self, wanted: Candles, source: str, span: tuple[int, int], rows: int, files: int = 0) -> None:
        self._add(Taken(wanted.symbol, wanted.kind, interval_text(wanted.interval_ms), source, *span, files, rows))

    def _add(self, news: Taken) -> None:
        for known in self.taken:
            if (known.symbol, known.kind, known.source) == (news.symbol, news.kind, news.source):
                known.from_ms, known.to_ms = min(known.from_ms, news.from_ms), max(known.to_ms, news.to_ms)
                known.files += news.files
                known.rows += news.rows
                return
        self.taken.append(news)


def _missing(wanted: Candles, stored: Times) -> Times:
    grid = np.arange(wanted.from_ms, wanted.to_ms, wanted.interval_ms, dtype=np.int64)
    return np.setdiff1d(grid, stored, assume_unique=True)
