"""The stores of a home as the lab sees them: protocols that the composition root hands in.

A store is opened when it is asked for; each method may raise StorageError.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from core.engine.assembly.stores import AccountStore, EngineStores, StoredMarket
from core.lab.replay.verify import StoredJournal

if TYPE_CHECKING:
    from core.control.requests import DeleteWish, ImportWish
    from core.domain.instrument import Instrument
    from core.domain.progress import Manner
    from core.domain.rows import Row
    from core.lab.data.history import History
    from core.lab.requests import Status
    from core.lab.run.result import Provenance
    from core.lab.search.trials import Trial, TrialCount
    from core.lab.service.records import RunRecord, SweepRecord
    from core.market.checking import DataProblem
    from core.market.collecting.store import CollectStore
    from core.market.contracts.rules import ContractRules
    from core.market.fetch.fetching import FetchStore
    from core.market.stored import DataRow, Deleted, ImportReport, Series


class MarketStore(StoredMarket, Protocol):
    """The market data of one origin: candles, prices, funding, and the contract rules that its operator gave."""

    def series(self, interval_ms: int) -> Mapping[str, Series]:
        """What a run on bars of `interval_ms` has, by symbol, in order of the symbols: bars that are stored, and what
        shorter ones come to."""
        ...

    def history(
        self,
        symbols: Sequence[str],
        interval_ms: int,
        from_ms: int,
        to_ms: int,
        warm_up_bars: int,
        max_hole_ms: int,
        streams: Sequence[str] = (),
    ) -> History:
        """The bars that open in [from_ms, to_ms), with up to `warm_up_bars` slots before them, their funding, and of
        each symbol what was known of `streams` then.

        Its source names the files that they came from; it is synthetic where any of them is. Raises DataError where a
        symbol has no bar in the period.
        """
        ...

    async def collected(self, exchange: str) -> CollectStore:
        """Where an exchange's streams are gathered. The caller closes."""
        ...

    def prepare(self, symbol: str, interval_ms: int) -> None:
        """See to it that the next history of a symbol is quick."""
        ...

    def put_rules(self, rules: Sequence[ContractRules]) -> None:
        """All of them or none. Those of the same contract, day and kind go."""
        ...

    def drop_rules(self, symbol: str, as_of_ms: int | None) -> int:
        """Those of a contract, of one day or of all; how many there were."""
        ...

    def take(self, path: Path, wish: ImportWish, now_ms: int, manner: Manner) -> ImportReport:
        """Store a file of candles, funding or a stream. Raises DataError where it is bad or contradicts what is stored,
        and then nothing of it is kept; what ends it early otherwise is made good by taking it again."""
        ...

    def fetched(self, now_ms: int, manner: Manner) -> FetchStore: ...

    def delete(self, wish: DeleteWish, manner: Manner) -> Sequence[Deleted]:
        """Take stored data out. Raises DataError where there is nothing, RefusedError where it was asked to stop."""
        ...

    def data(self) -> Sequence[DataRow]:
        """By symbol, kind, interval and source."""
        ...

    def problems(self, jump_volatilities: float) -> Sequence[DataProblem]:
        """Every finding over all that is stored, by symbol and time, then every import that is not finished. A move of
        the price beyond so many times what it moved before is a finding, too."""
        ...


class LabStore(Protocol):
    """The stored runs of one home, and every parameter set ever tried. May be called from any thread.

    The methods that take a run's id take its short forms too (see core.lab.requests.Lab) and raise BadInputError where
    it names none, or more than one.
    """

    def add_run(self, record: RunRecord, tried: Sequence[tuple[Provenance, Sequence[Trial]]] = ()) -> str:
        """Store a run whole, and what was tried for it; its new id.

        `tried` are the trials of its folds with the data they were tried on; without any, the run itself is the one
        trial that is counted.
        """
        ...

    def begin_sweep(self, record: SweepRecord) -> str:
        """Store what is going to be tried; its new id. It counts as partial until `end_sweep`."""
        ...

    def add_trials(self, run_id: str, provenance: Provenance, tried: Sequence[Trial]) -> None:
        """Store trials of a sweep as they come. A number that is stored already stays as it is."""
        ...

    def end_sweep(self, run_id: str, status: Status, best: Mapping[str, Any]) -> None:
        """Settle a sweep: `best` are the figures of its best trial, as in Trial.figures, empty where there is none."""
        ...

    def mark_fault(self, strategy: str, code_version: str, fault: str) -> int:
        """Put a label beside every run and sweep of this code of a strategy that has none yet; how many there were."""
        ...

    def runs(self) -> list[Row]:
        """Summary rows, the newest last."""
        ...

    def figures(self) -> dict[str, Row]:
        """All figures of every run by its id."""
        ...

    def run(self, run_id: str) -> Row:
        """The detail row."""
        ...

    def load(self, run_id: str) -> RunRecord:
        """The whole record of a backtest or walk-forward, as it was stored to the bit.

        Raises BadInputError for a sweep, which has trials and no result.
        """
        ...

    def sweep(self, run_id: str) -> SweepRecord:
        """What a sweep was asked to do. Raises BadInputError for a run that is none."""
        ...

    def trials(self, run_id: str) -> list[Trial]:
        """What was tried in a sweep, or for a run, by number, with the daily returns that are kept."""
        ...

    def count_trials(
        self,
        strategy: str,
        symbols: Sequence[str],
        from_ms: int,
        to_ms: int,
        interval_ms: int,
        return_days: int,
        own: Mapping[str, float | None] = MappingProxyType({}),
        also: Collection[str] = (),
    ) -> TrialCount:
        """Every parameter set ever tried of a strategy on data that overlaps these symbols and this period, and those
        of them that were tried in the same way: on the same symbols and interval, over a comparable time.

        Each distinct set counts once, however often it was tried; a trial that failed has shown nothing and does not
        count. `own` are sets that are about to be stored, by their hash, with their Sharpe ratios a day of
        `return_days`; ratios of records that are not comparable with those are left out. `also` are further sets about
        to be stored, which were tried in another way.
        """
        ...

    def was_searched(
        self, strategy: str, symbols: Sequence[str], from_ms: int, to_ms: int, parameter_hash: str
    ) -> bool:
        """Whether a sweep over these symbols and this period, or a part of it, has tried this parameter set."""
        ...

    def delete(self, run_ids: Sequence[str]) -> list[Row]:
        """Remove runs and sweeps with all that belongs to them but their trials; the summaries of what is gone.

        A trial stays, without its daily returns: what was tried was tried, and deleting the run must not make the
        next result look less lucky. Nothing is removed where one id names none.
        """
        ...


class WrittenJournal(StoredJournal, Protocol):
    """An account's journal as it was when it was opened: later commits are not seen."""

    @property
    def account(self) -> str: ...

    def meta(self) -> Mapping[str, str]:
        """The facts kept of the account."""
        ...

    def instruments(self) -> Mapping[str, Instrument]:
        """The contract rules kept of the account, by symbol."""
        ...


class WrittenAccounts(AccountStore, Protocol):
    def written(self) -> AbstractContextManager[WrittenJournal]:
        """The account written last. Raises UnavailableError when none was opened yet."""
        ...


class HomeStores(EngineStores, Protocol):
    """Every store of one home."""

    def accounts(self, *, thorough: bool = True) -> WrittenAccounts: ...

    def imported(self, *, thorough: bool = False) -> MarketStore:
        """The operator's own market data; `thorough` as in EngineStores."""
        ...

    def recorded(self) -> MarketStore: ...

    def recorded_as_it_lies(self) -> StoredMarket:
        """The recorded market without a write where it is there: for what only reads, on a home that cannot be written,
        too."""
        ...

    def lab(self) -> LabStore: ...
