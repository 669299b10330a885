"""What the command line asks of the composition root, stated as a protocol so that `tui` needs none of the rest.

This module stays light: the read verbs import it on every call. An implementation imports everything heavy
inside its methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.domain.rows import Row

if TYPE_CHECKING:
    from core.control.requests import (
        CollectRequest,
        DeleteWish,
        EngineHandle,
        FetchRequest,
        ImportWish,
        Reader,
        RunRequest,
    )
    from core.domain.finding import Finding
    from core.domain.progress import OnProgress, ShouldStop
    from core.lab.requests import Lab


class Runtime(Protocol):
    """Implemented by the composition root and handed to `tui.cli.main`."""

    def run_headless(self, request: RunRequest) -> int:
        """Run an engine in this process until it ends or is told to stop by SIGINT or SIGTERM; the exit code.

        Raises UnavailableError when another engine holds the home.
        """
        ...

    def start_engine(self, request: RunRequest) -> EngineHandle:
        """Begin to start an engine in its own thread."""
        ...

    def reader(self, home: Path, account: str | None = None) -> Reader:
        """Of one account ("demo", "paper", "live", "testnet"), or None for the one written last. Raises
        UnavailableError where the home has no such account yet."""
        ...

    def lab(self, home: Path) -> Lab:
        """The backtest lab of a home; nothing is opened or made before it is asked for something."""
        ...

    def import_files(
        self,
        home: Path,
        files: Sequence[Path],
        wish: ImportWish,
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> list[Row]:
        """Take candle files into the store; one row a file, with its `notes`.

        An engine that runs in the home goes on beside it. Raises DataError naming file, row and mend; nothing of that
        file is kept then. RefusedError where it was asked to stop: the same import again goes on from there.
        """
        ...

    def fetch_data(
        self,
        home: Path,
        request: FetchRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        """Fetch what is missing from the exchange's archive and from the exchange, beside a running engine too.

        `fetched` has a row for each symbol, kind and source: what came from where, what was stored before, and (source
        "nowhere") what nobody has; `contracts` the rules of each as they are today, `problems` what `check_data` finds
        of these symbols; `left_out` says why the exchange was not asked for what is missing, empty where it was. `tell`
        hears what the operator should know, a line each.

        What has come is kept whatever ends it: the same request again goes on from there. Raises BadInputError,
        DataError where a file does not match its checksum or contradicts what is stored, RefusedError where it was
        asked to stop, StorageError, UnavailableError.
        """
        ...

    def collect(
        self,
        home: Path,
        request: CollectRequest,
        tell: Callable[[str], None],
        progress: OnProgress,
        should_stop: ShouldStop,
    ) -> Row:
        """Gather an exchange's streams until the wished time is over or it is asked to stop, beside a running engine
        too. `tell` hears what the operator should know, a line each.

        `collected` has a row a symbol and stream (`core.market.collecting.report.Gathered`), `free_mb` what is left of
        the disk, `weight` what reads took of the exchange's limit, and `stopped` why it ended early, empty where it did
        not. A kill loses the last batch; what the exchange still tells of it comes after the next start.

        Raises BadInputError, RefusedError where another one gathers in the home, StorageError, UnavailableError.
        """
        ...

    def delete_data(self, home: Path, wish: DeleteWish, progress: OnProgress, should_stop: ShouldStop) -> list[Row]:
        """Take stored candles and funding of a symbol out; one row a kind and interval.

        Raises DataError where there is nothing of it, RefusedError while an engine runs in the home.
        """
        ...

    def list_data(self, home: Path) -> list[Row]: ...

    def check_data(self, home: Path) -> list[Row]:
        """One row a problem (gap, impossible candle, duplicate); empty when the candles are whole."""
        ...

    def rules(self, home: Path) -> list[Row]:
        """The contract rules that a home knows, those that come with the program among them, by symbol and day: the
        rows of `core.market.contracts.rules.ContractRules.told`."""
        ...

    def import_rules(self, home: Path, files: Sequence[Path], as_of_ms: int | None, source: str | None) -> list[Row]:
        """Take the contract rules of TOML files, all of them or none; the rows of what was stored. `as_of_ms` is the
        day of those that name none. Raises DataError naming file, contract, key and mend."""
        ...

    def infer_rules(self, home: Path, symbols: Sequence[str]) -> list[Row]:
        """Store contract rules read off all imported candles of the symbols; the rows of what was stored."""
        ...

    def delete_rules(self, home: Path, symbol: str, as_of_ms: int | None) -> Row:
        """Forget the home's own rules of a contract, of one day or of all: `symbol` and `deleted`, how many."""
        ...

    def doctor(self, home: Path, settings_path: Path | None, workers: bool, exchange: bool = False) -> list[Finding]:
        """Checks only the root can make: database, candles, strategies and, with `workers`, worker processes.

        With `exchange`, also the exchange of the settings: it is asked over the network.
        """
        ...

    def panic(
        self,
        home: Path,
        settings_path: Path | None,
        everything: bool,
        tell: Callable[[str], None],
        confirm: Callable[[str], None] | None,
    ) -> Row:
        """Close at the exchange, without an engine, what the home's live journal owns, or `everything` on the account.

        `tell` hears of each step in one line. `confirm` is given the account's tag before anything is changed, and
        raises where the answer is no; None asks nobody. The row has `flat`, `left` (what is still there, in words) and
        `exit_code`. Nothing is written in the home.

        Raises BadInputError, RefusedError, StorageError or UnavailableError where nothing could be done.
        """
        ...

    def backup(self, home: Path, target: Path) -> Row:
        """Copy the database, whole and consistent, beside a running engine. Refuses an existing `target`."""
        ...

    def replay_verify(self, home: Path, settings_path: Path | None) -> Row:
        """Replay the account written last from its journal, as far as it is written now, beside a running engine too.

        `equal`, `records`, `decisions`, `digest`; `first_difference` is None or the `record`, its `time_ms` and what
        `journal` and `trader` say there; `notes` tell which settings were used and what has changed since. The settings
        named are today's. Raises UnavailableError when the home has no account yet.
        """
        ...
