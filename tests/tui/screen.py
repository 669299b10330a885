"""What stands on the console's screen, as text."""

from __future__ import annotations

from tui.app import QuarterdeckApp


def lines(app: QuarterdeckApp) -> list[str]:
    """The whole screen, every line as wide as the terminal."""
    return [strip.text for strip in app.deck._compositor.render_strips()]


def text(app: QuarterdeckApp) -> str:
    return "\n".join(lines(app))
