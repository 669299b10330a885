"""Every store of a home, opened when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock
from core.home.folder import Home
from storage.database import Database, open_database
from storage.market import SqliteMarket

if TYPE_CHECKING:
    from core.domain.forecast import Forecast
    from core.exchange.orders.panic_plan import Owned
    from storage.journal import SqliteJournal
    from storage.journal_reader import JournalReader
    from storage.lab import SqliteLab


@dataclass(frozen=True, slots=True)
class SqliteAccounts:
    """Implements core.lab.service.stores.WrittenAccounts."""

    database: Database

    async def journal(self, account: str, *, keeps_market: bool = False) -> SqliteJournal:
        from storage.journal import SqliteJournal

        return await SqliteJournal.open(self.database, account, keeps_market=keeps_market)

    def written(self) -> JournalReader:
        from storage.journal_reader import JournalReader

        return JournalReader(self.database)

    def has_traded(self, account: str) -> bool:
        from storage.paper import has_traded

        return has_traded(self.database, account)

    def told_in_real_time(self, strategy: str) -> list[Forecast]:
        from storage.paper import told_in_real_time

        return told_in_real_time(self.database, strategy)

    def paper_hours(self) -> float:
        from storage.paper import paper_hours

        return paper_hours(self.database)

    async def check(self) -> None:
        await self.database.check()


@dataclass(frozen=True, slots=True)
class SqliteHome:
    """Implements core.lab.service.stores.HomeStores. `shipped` is the folder of the market that comes with the
    program, `clock` says when it was taken in."""

    home: Home
    shipped: Path
    clock: Clock

    def accounts(self, *, thorough: bool = True) -> SqliteAccounts:
        return SqliteAccounts(open_database(self.home.database, thorough=thorough))

    def imported(self, *, thorough: bool = False) -> SqliteMarket:
        return SqliteMarket(open_database(self.home.database, thorough=thorough))

    def exchange_market(self, place: str, *, thorough: bool = True) -> SqliteMarket:
        return SqliteMarket(open_database(self.home.market(place), thorough=thorough))

    def recorded(self) -> SqliteMarket:
        from storage.recorded import open_recorded

        return SqliteMarket(open_recorded(self.home.recorded, self.shipped, self.clock.now_ms()))

    def recorded_as_it_lies(self) -> SqliteMarket:
        if self.home.recorded.exists():
            return SqliteMarket(open_database(self.home.recorded, thorough=False))
        return self.recorded()

    def lab(self) -> SqliteLab:
        from storage.lab import open_lab

        return open_lab(self.home.lab)

    def owned(self, account: str, exchange_key: str) -> Owned:
        from storage.owned import read_owned

        return read_owned(self.home.database, account, exchange_key)
