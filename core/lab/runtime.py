"""What the command line asks of the composition root, stated as a protocol so that `tui` needs none of the rest.

This module stays light: the read verbs import it on every call. An implementation imports everything heavy
inside its methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from core.control.protocol import Control
    from core.lab.requests import Lab, OnProgress, ShouldStop
    from core.settings.schema import Mode

Row = dict[str, Any]
"""One JSON-ready object: str, int, float, bool, None, and lists and objects of them. Keys carry their units."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One wish to run an engine.

    `settings_path` is None for the defaults. `speed` is market seconds per second, None as fast as possible.
    `from_ms` (inclusive) and `to_ms` (exclusive) cut the recorded market, None for its own ends; `seed` None takes
    that of the settings. `log_level` is the lowest level shown on stderr; the log file takes everything from INFO on.
    `confirm_live` is what the operator typed to confirm a live start (see `core.engine.arming`), empty for none.
    """

    mode: Mode
    home: Path
    settings_path: Path | None = None
    speed: float | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    seed: int | None = None
    log_level: str = "INFO"
    confirm_live: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One wish for market data over the network: candles of `interval` and the funding of their period, and candles of
    the mark price where `mark`.

    The period is [from_ms, to_ms), None for now; `exchange` None takes that of the settings. Settings as in RunRequest.
    """

    symbols: tuple[str, ...]
    interval: str
    from_ms: int
    to_ms: int | None = None
    exchange: str | None = None
    settings_path: Path | None = None
    mark: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of `doctor`: well, not well, or (`ok` is None) not known. `mend` is one line to act on, empty when `ok`
    is True; `detail` says of what is not known why that is."""

    name: str
    ok: bool | None
    detail: str
    mend: str = ""

    @property
    def verdict(self) -> str:
        """ok, unknown or bad."""
        return "unknown" if self.ok is None else "ok" if self.ok else "bad"


def worst(findings: Sequence[Finding]) -> bool | None:
    """What `ok` of several findings comes to: the worst of them."""
    states = [finding.ok for finding in findings]
    return False if False in states else None if None in states else True


class EngineHandle(Protocol):
    """An engine in a thread of its own. All of it is safe from any thread."""

    def wait(self) -> Control:
        """Wait until the engine can be asked for snapshots. Raises why there is none, as run_headless;
        UnavailableError where it was stopped before.

        Raises ConfirmationError where `confirm_live` is not the tag of the account; another start may be asked for.
        """
        ...

    def ask_to_stop(self) -> None:
        """Ask the engine to end after the step in hand; a start under way is given up."""
        ...

    def stop(self, timeout_s: float) -> None:
        """The same, and wait for it. Raises UnavailableError when it has not ended after `timeout_s`."""
        ...

    def failure(self) -> BaseException | None:
        """What ended the engine, None while it runs and after a normal end."""
        ...

    def ended(self) -> bool: ...


class Reader(Protocol):
    """The durable record, read without an engine. The database exists when a reader is asked for.

    Keys are the field names of the views in `core.control.protocol` (StatusView, PositionView, OrderView, TradeView,
    SignalView) plus what else the record knows. Lists end with the newest. Every method raises StorageError.
    `account` is whose record it is.
    """

    account: str

    def status(self) -> Row:
        """The last journalled account: a StatusView as a row with `state` "stopped"; unknown values are None."""
        ...

    def positions(self) -> list[Row]: ...

    def orders(self, open_only: bool) -> list[Row]: ...

    def trades(self, limit: int | None) -> list[Row]: ...

    def signals(self, limit: int | None) -> list[Row]: ...

    def stats(self) -> Row:
        """Figures over all closed trades of the account, with the source of the market they were made on."""
        ...

    def models(self) -> list[Row]: ...

    def limit_events(self) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What the operator says of files to import: what they do not tell (symbol, interval as text, kind), that rows are
    to be put in order, that the data are made up, and that they stand in place of what is stored."""

    symbol: str | None = None
    interval: str | None = None
    kind: str | None = None
    sort: bool = False
    synthetic: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class DeleteWish:
    """Whose data go: from_ms <= time < to_ms, of one interval (as text) or kind; None stands for all."""

    symbol: str
    from_ms: int | None = None
    to_ms: int | None = None
    interval: str | None = None
    kind: str | None = None


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
