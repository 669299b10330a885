"""The exception family. Each class says who can act on it."""

from __future__ import annotations

from enum import StrEnum


class QuarterdeckError(Exception):
    """Base of every error the product raises on purpose; its text is one line for the operator."""

    exit_code = 1


class RefusedError(QuarterdeckError):
    """A request that is understood and not allowed now."""

    exit_code = 1


class ConfirmationError(RefusedError):
    """What was typed to confirm an act is not what confirms it; it may be typed again."""


class BadInputError(QuarterdeckError):
    """Input from a person or a file that is wrong; the text names the place and the mend."""

    exit_code = 2


class SettingsError(BadInputError):
    """settings.toml or an option holds an unknown key, a wrong type or an impossible value."""


class DataError(BadInputError):
    """A candle file or the candle store is missing, damaged or impossible."""


class StorageError(QuarterdeckError):
    """The database cannot be used: damaged, newer than this program, or locked."""

    exit_code = 2


class UnavailableError(QuarterdeckError):
    """Something needed is not there now: no engine runs, a venue does not answer."""

    exit_code = 3


class RejectKind(StrEnum):
    """What a definite refusal means for what comes next; OTHER where no more is known than the text."""

    OTHER = "other"
    NOT_FOUND = "not_found"
    DUPLICATE_ID = "duplicate_id"
    WOULD_TRIGGER = "would_trigger"
    REDUCE_ONLY = "reduce_only"
    ONLY_REDUCING = "only_reducing"
    NO_CHANGE = "no_change"
    NO_MARGIN = "no_margin"
    WRONG_ENDPOINT = "wrong_endpoint"
    NO_PERMISSION = "no_permission"
    NOT_SUPPORTED = "not_supported"
    FILTER = "filter"
    PRECISION = "precision"
    NO_CONTRACT = "no_contract"


class VenueRejectedError(QuarterdeckError):
    """The venue definitely refused a request; nothing of it rests there."""

    def __init__(self, text: str, kind: RejectKind = RejectKind.OTHER) -> None:
        super().__init__(text)
        self.kind = kind


class VenueBusyError(UnavailableError):
    """The venue turned a request away unread (rate limit, ban, overload, maintenance): it had no effect.

    `retry_ms` is the venue's time from which it may be made again. `is_stale` says that it came outside of its receive
    window: our clock is off, or it was on its way for too long.
    """

    def __init__(self, text: str, retry_ms: int, *, is_stale: bool = False) -> None:
        super().__init__(text)
        self.retry_ms = retry_ms
        self.is_stale = is_stale


class VenueUnknownError(QuarterdeckError):
    """The outcome of a request to the venue is unknown; only evidence may resolve it.

    `sent_ms` is when the request left, on the steady clock of delays; None where that is not known.
    """

    def __init__(self, message: str, sent_ms: int | None = None) -> None:
        super().__init__(message)
        self.sent_ms = sent_ms


class InvalidTransitionError(QuarterdeckError):
    """An order event that the transition table does not allow."""


class ModelError(QuarterdeckError):
    """A model version is missing, damaged or does not match its manifest."""


class ComputeError(QuarterdeckError):
    """Tasks spread over processes could not be carried out."""


class WorkerLostError(ComputeError):
    """A process ended before the task it had been given."""


class TaskError(ComputeError):
    """A task raised; `index` is its place among the tasks, and the exit code that of its own error."""

    def __init__(self, index: int, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.index = index
        self.exit_code = exit_code
