"""The group of verbs: what runs when none is named, and how errors become one line and an exit code."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, Any

import click

from core.domain.errors import QuarterdeckError, RefusedError
from core.domain.plain import plain
from core.home.folder import Home, cannot_write, check_ours, find_home
from tui.cli.echo import echo
from tui.cli.options import HOME_META

_DISK = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT})
_OWN_OPTIONS = {"-h", "--help", "--version"}


class WrongUsage(click.ClickException):
    """A wrong word on the command line, told in one line."""

    exit_code = 2

    def __init__(self, error: click.UsageError) -> None:
        path = error.ctx.command_path if error.ctx else "quarterdeck"
        super().__init__(f"{error.format_message().rstrip('.')}; see {path} --help")

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(plain(f"quarterdeck: {self.message}"), file=file, err=True)


class VerbGroup(click.Group):
    """No verb, or options without one, means `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Completion asks with no arguments for the verbs themselves.
        bare = not args and not ctx.resilient_parsing
        if bare or (args and args[0].startswith("-") and args[0] not in _OWN_OPTIONS):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise WrongUsage(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise WrongUsage(error) from error
        except QuarterdeckError as error:
            echo(plain(f"quarterdeck: {error}"), err=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OSError as error:
            ctx.exit(_tell_disk(ctx, error))
        except Exception as error:  # noqa: BLE001 - the last stop: told in one line, kept whole in the log
            _tell_unexpected(ctx, error)
            ctx.exit(1)


def _tell_disk(context: click.Context, error: OSError) -> int:
    """A disk that is full or may not be written is the operator's to mend, wherever it is met; the exit code."""
    if error.errno not in _DISK or not error.filename:
        _tell_unexpected(context, error)
        return 1
    told = cannot_write(Path(os.fsdecode(error.filename)), error)
    echo(plain(f"quarterdeck: {told}"), err=True)
    return told.exit_code


def _tell_unexpected(context: click.Context, error: Exception) -> None:
    text = f"quarterdeck: unexpected {type(error).__name__}: {error}; {_keep(context, error)}"
    echo(plain(text), err=True)


def _keep(context: click.Context, error: Exception) -> str:
    """Put the trace into the log of the home in use, and say where it went."""
    from core.clock import SystemClock
    from core.home.logbook import write_failure

    home: Home = context.meta.get(HOME_META) or find_home(None, os.environ)
    try:
        check_ours(home.root)
        write_failure(home.log, SystemClock().now_ms(), error)
    except (OSError, RefusedError):
        import traceback

        return "".join(traceback.format_exception(error))
    return f"the trace is in {home.log}"
