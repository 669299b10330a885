"""The lab's form: a line a field, and one line that says what is wrong or that it can start."""

from __future__ import annotations

from tui.console.panels.lab.base import LabPanel
from tui.console.panels.panel import Content, View
from tui.lab.desk import LabDesk
from tui.lab.form import Field, Problem
from tui.text.asked import Asked
from tui.text.format import fit, plain_text, wrap
from tui.text.table import Row, Span, text_row

START = "start"
_NAME_CELLS = 12


class LabFormPanel(LabPanel):
    NAME = "lab_form"
    HELP = (
        "What to run. left and right go through choices, enter types into a field or goes on; s starts from anywhere."
        " What was typed stays, whatever else is changed, until the console is left. Under the fields stands what is"
        " wrong and how to mend it. A key of overrides and grid without a dot is one of the strategy's own settings."
        " The engine event is the live code on a virtual clock, sweep the fast one. Fees, slippage and funding are"
        " always on."
    )

    def __init__(self, desk: LabDesk) -> None:
        super().__init__(desk)
        self.cursor_key = "strategy"

    def lab_content(self, view: View, width: int, height: int) -> Content:
        form, problem = self.desk.form, self.desk.problem()
        fields = form.fields()
        longest = max(len(form.text[field.name]) for field in fields) + 4
        value_cells = max(16, min(longest, width // 2))
        body = [self._row(field, problem, value_cells, width, view) for field in fields]
        body.append(((" ", "plain"), (" s  START ", "badge_good" if problem is None else "dim")))
        return Content(
            head=self.job_rows(view, width),
            body=body,
            tail=(*self._whole_hint(_hint_cells(value_cells, width), width), *self._verdict(problem, width)),
            keys=[*(field.name for field in fields), START],
            note="enter types, left right choose",
        )

    def _row(self, field: Field, problem: Problem | None, value_cells: int, width: int, view: View) -> Row:
        g, text = view.glyphs, plain_text(self.desk.form.text[field.name])
        wrong = problem is not None and problem.field == field.name
        value: Span = (text, "strong") if text else ("-", "dim")
        if field.is_choice:
            value = (f"< {text or '-'} >", "accent")
        name: Span = (fit(("! " if wrong else "  ") + field.name, _NAME_CELLS + 2), "bad" if wrong else "plain")
        shown = g.ellipsis + text[1 - value_cells :] if not field.is_choice and len(text) > value_cells else value[0]
        rest = _hint_cells(value_cells, width)
        hint = fit(self.desk.form.hint(field.name), rest, ellipsis=g.ellipsis).rstrip()
        return ((" ", "plain"), name, (fit(shown, value_cells, ellipsis=g.ellipsis), value[1]), (f"  {hint}", "dim"))

    def _whole_hint(self, cells: int, width: int) -> list[Row]:
        """That of the field under the cursor, where it is cut beside it."""
        hint = self.desk.form.hint(self.cursor_key) if self.cursor_key != START else ""
        return [text_row(line, "dim") for line in wrap(hint, width - 2)] if len(hint) > cells else []

    def _verdict(self, problem: Problem | None, width: int) -> list[Row]:
        if problem is not None:
            return [text_row(line, "bad") for line in wrap(f"! {plain_text(problem.text)}", width - 2)[:2]]
        if not self.desk.form.choices["strategies"]:
            return [text_row("asking the lab what there is to choose from", "dim")]
        if self.desk.running:
            return [text_row("a run is under way; this one can start when it has ended", "warn")]
        return [text_row(f"ready: s starts {self.desk.form.title()}", "good")]

    def choose(self, delta: int) -> None:
        self.desk.form.choose(self.cursor_key, delta)
        self.desk.check_form()
        self.show(self.view)

    def edit(self) -> Asked | None:
        """What is typed at the cursor. None at a choice, which goes on to its next option, and at START."""
        name = self.cursor_key
        form = self.desk.form
        if name == START:
            self.desk.start()
            return None
        if form.options(name):
            self.choose(1)
            return None
        if name in ("kind", "strategy", "market", "preset", "engine", "objective", "anchored"):
            return None

        def changed(text: str) -> None:
            form.text[name] = text
            self.show(self.view)

        def done(_: str | None) -> None:
            self.desk.check_form()
            self.show(self.view)

        return Asked(name, form.text[name], done, hint="enter done", keeps=True, changed=changed)


def _hint_cells(value_cells: int, width: int) -> int:
    return max(0, width - _NAME_CELLS - 6 - value_cells)
