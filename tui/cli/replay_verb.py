"""`replay`: take a session from its journal again, and see whether the trader says the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.domain.errors import BadInputError
from core.home.folder import Home
from tui.cli.echo import echo
from tui.cli.options import home_option, json_option, settings_option
from tui.cli.output import emit_json, moment

if TYPE_CHECKING:
    from core.domain.rows import Row
    from tui.cli.runtime import Runtime


@click.command()
@click.option("--verify", is_flag=True, help="Compare every record that the trader makes with the journal.")
@home_option
@settings_option
@json_option
@click.pass_obj
def replay(runtime: Runtime, verify: bool, home: Home, settings_path: Path | None, as_json: bool) -> None:
    """Replay the decisions of a session from its journal; exit code 1 when any comes out otherwise.

    Each part of the journal is replayed with the settings that its engine had; --settings names those of today, for
    what was written before settings were kept, and to say what has changed.
    """
    if not verify:
        raise BadInputError("say what the replay is for: quarterdeck replay --verify; to watch a market, use run")
    row = runtime.replay_verify(home.root, settings_path)
    if as_json:
        emit_json(row)
    else:
        for note in row["notes"]:
            echo(note, err=True)
        echo(_verdict(row))
    click.get_current_context().exit(0 if row["equal"] else 1)


def _verdict(row: Row) -> str:
    parted = row["first_difference"]
    if parted is None:
        told = f"{row['records']:,} records, {row['decisions']:,} decisions replayed: all equal"
        return f"{told}; digest {row['digest']}"
    return "\n".join(
        (
            f"{row['records']:,} records equal; then, at record {parted['record']:,}, {moment(parted['time_ms'])} UTC:",
            f"  journal: {parted['journal']}",
            f"  trader:  {parted['trader']}",
        )
    )
