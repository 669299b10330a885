"""The lab's detail: one stored run with its figures, breakdowns and the picture of its account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.domain.rows import Row as Stored
from core.lab.statistics.figures import Figure, cell_text, column_title, grouped
from tui.console.panels.lab.base import LabPanel, label_rows, tags, text_table, title_row
from tui.console.panels.panel import Content, View
from tui.console.registry import REGISTRY
from tui.lab.desk import Shown
from tui.lab.form import typed_value
from tui.text.format import fit, money, plain_text, utc_full, wrap
from tui.text.table import Row, notice_rows, text_row

MOST_ROWS = 60
_FIGURE_CELLS = 40


class LabRunPanel(LabPanel):
    NAME = "lab_run"
    HELP = (
        "One stored run. The warnings above the figures stand beside every one of them. The pictures are the equity"
        " at the close of every slot, open positions included, and its fall from the highest so far, in %."
        " trials: parameter sets tried of this strategy on this data, this one included: the more, the likelier luck."
        " deflated Sharpe: the probability that the true Sharpe is above what the best of the sets tried alike would"
        " show by luck. Figures of a year and probabilities need 30 whole UTC days. enter lists the trades."
    )

    def lab_content(self, view: View, width: int, height: int) -> Content:
        shown = self.desk.shown
        if shown is None:
            waiting = self.desk.reads.waiting("run")
            text = (
                "No run read yet: asking the lab" if waiting else f"No run is chosen. {REGISTRY.key('lab')} lists them"
            )
            return Content(body=notice_rows(text, width))
        run, ellipsis = shown.row, view.glyphs.ellipsis
        head = [title_row(run, width, ellipsis), *label_rows(run, width)]
        if len(head) > height // 3:
            head = [head[0], ((" ", "plain"), (f" {tags(run)} ", "badge_warn"))]
        unicode = not view.glyphs.rule.isascii()
        verdict = [text_row(line, "strong") for line in wrap(plain_text(run["verdict"]), max(20, width - 2))]
        body = [*verdict, *_key_figures(run, width), *_picture(shown, width, height - len(head), unicode)]
        body += _figures(run["figures"], width, ellipsis)
        for title, rows in _tables(run):
            body += [(), text_row(title, "title"), *_table(rows, width, ellipsis)]
        body += [(), text_row("Where it comes from", "title"), *_origin(run, width)]
        return Content(head=tuple(head), body=body, note=str(run["run_id"]))


def _key_figures(run: Stored, width: int) -> list[Row]:
    parts = [
        ("return ", run["total_return_pct"], "total_return_pct", " %"),
        ("Sharpe ", run["sharpe"], "sharpe_pct", ""),
        ("depth ", run["max_drawdown_pct"], "max_drawdown_pct", " %"),
        ("trades ", run["trades"], "trades", ""),
        ("trials ", run["trials"], "trials", ""),
    ]
    texts = [f"{name}{cell_text(key, value)}{unit if value is not None else ''}" for name, value, key, unit in parts]
    if run["final_usdt"] is not None and run["initial_usdt"] is not None:
        texts.append(f"{money(run['initial_usdt'])} to {money(run['final_usdt'])} USDT")
    lines = [""]
    for text in texts:
        longer = f"{lines[-1]}   {text}" if lines[-1] else text
        lines = [*lines[:-1], longer] if len(longer) <= width - 2 else [*lines, text]
    return [text_row(line, "strong") for line in lines]


def _picture(shown: Shown, width: int, height: int, unicode: bool) -> Iterator[Row]:
    curve = shown.curve
    if curve is None:
        return
    if not curve["time_ms"]:
        yield text_row("No slot was traded, so there is no equity to draw", "dim")
        return
    import numpy as np

    from tui.text.picture import account_picture, ends_row

    equity, fall = (np.array(curve[name], np.float64) for name in ("equity_usdt", "drawdown_pct"))
    rows = max(6, min(16, height - 6))
    lines = account_picture(equity, fall, width - 2, rows * 2 // 3, rows - rows * 2 // 3, unicode)
    yield from (text_row(line, "title" if line[:1].isalpha() else "accent") for line in lines)
    first, last = (utc_full(curve["time_ms"][n])[:16] for n in (0, -1))
    yield text_row(ends_row(first, f"{last} UTC", equity, fall, width - 2), "dim")


def _figures(figures: Mapping[str, Any], width: int, ellipsis: str) -> Iterator[Row]:
    """Under their headings, in as many columns as there is room for, read downwards."""
    plain = {key: value for key, value in figures.items() if value is None or isinstance(value, int | float)}
    columns = max(1, (width - 1) // (_FIGURE_CELLS + 3))
    for title, items in grouped(plain):
        yield ()
        yield text_row(title, "title")
        height = -(-len(items) // columns)
        for n in range(height):
            yield text_row("   ".join(_figure(item, ellipsis) for item in items[n::height]))


def _figure(item: Figure, ellipsis: str) -> str:
    text = item.text
    return fit(item.label, _FIGURE_CELLS - len(text) - 1, ellipsis=ellipsis) + " " + text


def _tables(run: Stored) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for name, rows in run["breakdowns"].items():
        if rows:
            yield ("Folds" if name == "folds" else f"By {name.replace('_', ' ')}"), rows
    if run.get("best"):
        yield f"Best trials, by {run['objective']}", run["best"]
    for title, counts in (("Refused signals", run["vetoes"]), ("Limits fired", run["limits"])):
        if counts:
            yield title, [{"reason": name, "count": count} for name, count in counts.items()]


def _table(rows: Sequence[Mapping[str, Any]], width: int, ellipsis: str) -> Iterator[Row]:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    words = [key for key in keys if isinstance(rows[0].get(key), str | dict)]
    keys = [*words[:1], *(key for key in keys if key not in words[:1])]
    texts = [[_cell(key, row.get(key)) for key in keys] for row in rows[:MOST_ROWS]]
    yield from text_table([column_title(key) for key in keys], texts, min(1, len(words)), width, ellipsis)
    if len(rows) > MOST_ROWS:
        yield text_row(f"and {len(rows) - MOST_ROWS} more rows", "dim")


def _cell(key: str, value: object) -> str:
    if isinstance(value, Mapping):
        return plain_text(" ".join(f"{name}={typed_value(item)}" for name, item in value.items()))
    return plain_text(cell_text(key, value))


def _origin(run: Stored, width: int) -> Iterator[Row]:
    overrides = " ".join(f"{key}={typed_value(value)}" for key, value in run["overrides"])
    grid = " ".join(f"{key}={','.join(map(typed_value, values))}" for key, values in run.get("grid", ()))
    pairs = (
        ("engine", run["engine"]),
        ("overrides", overrides or "none"),
        ("grid", grid),
        ("source", run["source"]),
        ("seed", run["seed"]),
        ("data hash", run["data_hash"]),
        ("code", run["code_version"]),
        ("made", f"{utc_full(run['created_ms'])}"),
    )
    for name, text in pairs:
        if text != "":
            for n, line in enumerate(wrap(plain_text(str(text)), width - 14)):
                yield ((" ", "plain"), (fit(name if n == 0 else "", 11), "dim"), (line, "plain"))
