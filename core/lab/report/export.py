"""Writes a report in one of the forms that other programs read. A file appears whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from core.domain.errors import BadInputError, RefusedError
from core.lab.report.data import Report
from core.lab.statistics.figures import utc_minute

Contents = Mapping[str, bytes]

FILE_SUFFIX = {"html": ".html", "json": ".json", "quantstats": ".csv", "freqtrade": ".zip"}
"""The forms that can be named as one file; freqtrade's metadata lies beside it."""

FORMS = ("csv", "parquet", "json", "html", "freqtrade", "quantstats")


def export(report: Report, target: Path, form: str, overwrite: bool = False) -> tuple[Path, ...]:
    """Write `report` to `target` and return the files written.

    `target` is a folder, made if need be, or for json, html, quantstats and freqtrade a file with the form's suffix;
    csv and parquet are three files: trades, equity, figures. In a folder, freqtrade's pointer to the latest result
    (`.last_result.json`) is replaced as freqtrade itself does it. Raises BadInputError for a form or a name that cannot
    be, RefusedError where a file is there already and `overwrite` is False or where the system does not let us write.
    """
    if form not in FORMS:
        raise BadInputError(f"{form}: no such form; choose one of {', '.join(FORMS)}")
    folder, name = _place(target, form, _default_name(report, form))
    files = _builder(form)(report, name)
    pointer: Contents = {}
    if form == "freqtrade" and folder == target:
        from core.lab.report.freqtrade import pointer_file

        pointer = pointer_file(name)
    if not overwrite:
        for file in files:
            if (folder / file).exists():
                raise RefusedError(f"{folder / file}: is there already; name another place or allow it to be replaced")
    return _write(folder, {**files, **pointer})


def _builder(form: str) -> Callable[[Report, str], Contents]:
    """What makes a form's files, as a function of the report and the name without suffix."""
    from core.lab.report import tables as export_tables

    if form == "html":
        from core.lab.report.html_page import html_report

        return lambda report, name: {f"{name}.html": html_report(report).encode()}
    if form == "freqtrade":
        from core.lab.report.freqtrade import freqtrade_files

        return freqtrade_files
    return {
        "csv": lambda report, _: export_tables.csv_files(report),
        "parquet": lambda report, _: export_tables.parquet_files(report),
        "json": lambda report, name: {f"{name}.json": export_tables.json_text(report).encode()},
        "quantstats": lambda report, name: {f"{name}.csv": export_tables.quantstats_text(report).encode()},
    }[form]


def _place(target: Path, form: str, default_name: str) -> tuple[Path, str]:
    """The folder, and the name of the file in it without its suffix."""
    suffix = FILE_SUFFIX.get(form)
    if target.is_dir():
        return target, default_name
    if suffix and target.suffix == suffix:
        return target.parent, target.stem
    if target.suffix or target.exists():
        wanted = f"a file that ends in {suffix} or a folder" if suffix else "a folder: it is several files"
        raise BadInputError(f"{target}: {form} needs {wanted}")
    return target, default_name


def _default_name(report: Report, form: str) -> str:
    """A name that says the run; freqtrade finds results by a name of its own."""
    if form == "freqtrade":
        made = utc_minute(report.made_ms)
        seconds = report.made_ms // 1000 % 60
        return f"backtest-result-{made[:10]}_{made[11:13]}-{made[14:16]}-{seconds:02d}"
    run = report.provenance
    strategy = re.sub(r"[^A-Za-z0-9_-]+", "_", run.strategy)
    suffix = "-returns" if form == "quantstats" else ""
    return f"{strategy}-{utc_minute(run.from_ms)[:10]}-{utc_minute(run.to_ms)[:10]}{suffix}"


def _write(folder: Path, files: Contents) -> tuple[Path, ...]:
    """All files under temporary names first, so that a full disk leaves nothing half written under a final one."""
    written: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            partial = folder / f".{name}.{os.getpid()}.partial"
            written.append((partial, folder / name))
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for partial, final in written:
            partial.replace(final)
    except OSError as error:
        raise RefusedError(f"{folder}: cannot be written to: {error.strerror}; name another place") from error
    finally:
        for partial, _ in written:
            partial.unlink(missing_ok=True)
    return tuple(final for _, final in written)
