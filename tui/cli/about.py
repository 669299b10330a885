"""Which version this is."""

from __future__ import annotations

import click


def installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("quarterdeck")
    except PackageNotFoundError:
        return "not installed"


def version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"quarterdeck {installed_version()}")
        context.exit()
