"""The one screen: status line, panels, notice, keys. Only the confirm bar and the search prompt lie over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from tui.console.arming import ArmingDesk
from tui.console.keys import Action
from tui.console.panels.arming import ArmingPanel
from tui.console.panels.chart import ChartPanel
from tui.console.panels.help import HelpPanel
from tui.console.panels.lab.chart import LabChartPanel
from tui.console.panels.lab.compare import LabComparePanel
from tui.console.panels.lab.form import LabFormPanel
from tui.console.panels.lab.run import LabRunPanel
from tui.console.panels.lab.runs import LabRunsPanel
from tui.console.panels.lab.trades import LabTradesPanel
from tui.console.panels.logs import LogPanel
from tui.console.panels.markets import MarketsPanel
from tui.console.panels.panel import Panel, View
from tui.console.panels.positions import PositionsPanel
from tui.console.panels.risk import RiskPanel
from tui.console.panels.signals import SignalsPanel
from tui.console.panels.trades import TradesPanel
from tui.console.registry import HOME, REGISTRY
from tui.console.screens.essentials import Essentials
from tui.console.screens.layout import arrange, framed, too_small
from tui.console.widgets.bars import footer_row
from tui.console.widgets.lines import Lines
from tui.console.widgets.prompt import Prompt
from tui.lab.desk import LabDesk
from tui.text.asked import Asked
from tui.text.format import Glyphs
from tui.text.table import Row


class ConsoleScreen(Screen[None], inherit_bindings=False):
    """`redraw` is called when the size has changed, `urgent` with a safety act asked for while something is typed."""

    def __init__(
        self,
        redraw: Callable[[], None],
        urgent: Callable[[str], None],
        glyphs: Glyphs,
        lab: LabDesk,
        arming: ArmingDesk | None = None,
    ) -> None:
        super().__init__()
        self._redraw = redraw
        self.page = HOME
        self.ready = False
        self._before_help = HOME
        self._order: list[str] = []
        self._before_prompt: Panel | None = None
        self.status = Lines(id="status")
        self.notice = Lines(id="notice")
        self.footer = Lines(id="footer")
        self.confirm = Lines(id="confirm")
        self.prompt = Prompt(self._typed, urgent)
        self.essentials = Essentials(id="essentials")
        self.chart = ChartPanel()
        self.logs = LogPanel()
        self.help_panel = HelpPanel()
        self.lab_form = LabFormPanel(lab)
        self.lab_trades = LabTradesPanel(lab)
        self.panels: dict[str, Panel] = {
            panel.NAME: panel
            for panel in (
                MarketsPanel(),
                PositionsPanel(),
                SignalsPanel(),
                RiskPanel(),
                self.chart,
                TradesPanel(),
                self.logs,
                LabRunsPanel(lab),
                self.lab_form,
                LabRunPanel(lab),
                self.lab_trades,
                LabChartPanel(lab, self.lab_trades.go_to),
                LabComparePanel(lab),
                self.help_panel,
                *([ArmingPanel(arming)] if arming is not None else []),
            )
        }
        for panel in self.panels.values():
            panel.view, panel.glyphs = View(glyphs=glyphs), glyphs

    def compose(self) -> ComposeResult:
        yield self.status
        yield Container(*self.panels.values(), self.essentials, id="body")
        yield self.notice
        yield self.footer
        yield self.confirm
        yield self.prompt

    def on_resize(self) -> None:
        self.place()
        self.call_after_refresh(self._redraw)

    @property
    def small(self) -> bool:
        return too_small(self.size.width, self.size.height)

    @property
    def target(self) -> Panel:
        """The panel that keys act on: the focused one, else the page's main panel."""
        focused = self.focused
        if isinstance(focused, Panel) and focused.display:
            return focused
        return self.panels[REGISTRY.main(self.page)]

    def go(self, page: str) -> None:
        """Show a page and focus its main panel; a second `help` goes back."""
        if page == "help":
            if self.page == "help":
                self.go(self._before_help)
                return
            self._before_help = self.page
            self.help_panel.subject = self.target
            self.help_panel.top = 0
        self.page = page
        self.ready = True
        self.place()
        self.set_focus(self.panels[REGISTRY.main(page)], scroll_visible=False)

    def place(self) -> None:
        """Put every panel of the page where it belongs at this size."""
        width, height = self.size.width, self.size.height - 3
        small = self.small
        slots = {} if small else {slot.name: slot for slot in arrange(self.page, width, height)}
        self._order = list(slots)
        frames = framed(width, height + 3)
        for name, panel in self.panels.items():
            slot = slots.get(name)
            panel.display = slot is not None
            if slot is not None:
                panel.framed = frames
                panel.styles.offset = (slot.x, slot.y)
                panel.styles.width, panel.styles.height = slot.width, slot.height
        self.essentials.display = small
        if small:
            self.essentials.styles.width, self.essentials.styles.height = width, max(0, height)
        if isinstance(self.focused, Panel) and not self.focused.display and not small:
            self.set_focus(self.panels[REGISTRY.main(self.page)], scroll_visible=False)

    def focus_by(self, delta: int) -> None:
        if self._order:
            here = self._order.index(self.target.NAME) if self.target.NAME in self._order else 0
            self.set_focus(self.panels[self._order[(here + delta) % len(self._order)]], scroll_visible=False)

    def open_prompt(self, asked: Asked) -> None:
        self._before_prompt = self.target
        self.prompt.open(asked)
        self.set_focus(self.prompt, scroll_visible=False)

    def _typed(self) -> None:
        self.set_focus(self._before_prompt, scroll_visible=False)

    def show(self, view: View) -> None:
        """Format the visible panels again; each paints only the lines that changed."""
        for panel in self.panels.values():
            panel.show(view)
        self.essentials.show(view)

    def show_bars(self, status: Row, notice: Row, possible: Callable[[Action], bool], question: Sequence[Row]) -> None:
        self.status.set_rows([status])
        self.notice.set_rows([notice])
        self.footer.set_rows([footer_row(self.size.width, possible)])
        self.confirm.display = bool(question)
        if question:
            self.confirm.styles.height = len(question)
            self.confirm.set_rows(question)
