"""The one way of a verb to the terminal."""

from __future__ import annotations

import click

from core.domain.plain import plain_lines


def echo(text: str, *, err: bool = False, badge: str = "") -> None:
    """Lines, in which nothing controls the terminal; the first `badge` in them stands out on one."""
    made = plain_lines(text)
    before, found, after = made.partition(badge) if badge else (made, "", "")
    click.echo(f"{before}{click.style(found, bold=True, reverse=True) if found else ''}{after}", err=err)
