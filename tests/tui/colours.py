"""What a terminal makes of the console's output: each cell with the colours that it is seen in."""

from __future__ import annotations

from dataclasses import dataclass

import pyte
from rich.color import ColorSystem
from rich.segment import Segment

from tui.console.app import QuarterdeckApp

_XTERM = {
    "black": "000000",
    "red": "cd0000",
    "green": "00cd00",
    "brown": "cdcd00",
    "yellow": "cdcd00",
    "blue": "0000ee",
    "magenta": "cd00cd",
    "cyan": "00cdcd",
    "white": "e5e5e5",
    "brightblack": "7f7f7f",
    "brightred": "ff0000",
    "brightgreen": "00ff00",
    "brightbrown": "ffff00",
    "brightyellow": "ffff00",
    "brightblue": "5c5cff",
    "brightmagenta": "ff00ff",
    "brightcyan": "00ffff",
    "brightwhite": "ffffff",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A cell as it is seen on a terminal of light text on black; colours are six hexadecimal digits."""

    char: str
    text: str
    ground: str
    bold: bool
    reverse: bool

    @property
    def contrast(self) -> float:
        """Of text and ground, 1 (none) to 21, as WCAG counts it."""
        dark, light = sorted((_luminance(self.text), _luminance(self.ground)))
        return (light + 0.05) / (dark + 0.05)


def codes(app: QuarterdeckApp) -> str:
    """The whole screen as the bytes that a terminal is sent."""
    system = ColorSystem({"standard": 1, "256": 2, "truecolor": 3}[app.console.color_system or "standard"])
    strips = app.deck._compositor.render_strips()
    return "\r\n".join("".join(_sent(segment, system) for segment in strip) for strip in strips)


def seen(app: QuarterdeckApp) -> list[list[Seen]]:
    """The whole screen as a terminal shows it."""
    width, height = app.deck.size
    screen = pyte.Screen(width, height)
    pyte.Stream(screen).feed(codes(app))
    return [[_cell(screen.buffer[y][x]) for x in range(width)] for y in range(height)]


def _sent(segment: Segment, system: ColorSystem) -> str:
    """A style keeps the codes of the first terminal that it was drawn on; here it is drawn on several."""
    if segment.style is None:
        return segment.text
    style = segment.style.copy()
    style._ansi = None
    return style.render(segment.text, color_system=system)


def _cell(char: pyte.screens.Char) -> Seen:
    text = "e5e5e5" if char.fg == "default" else _XTERM.get(char.fg, char.fg)
    ground = "000000" if char.bg == "default" else _XTERM.get(char.bg, char.bg)
    if char.reverse:
        text, ground = ground, text
    return Seen(char.data, text, ground, char.bold, char.reverse)


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
