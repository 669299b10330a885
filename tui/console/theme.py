"""Themes: what colours the roles of the console have. A role names a meaning; no widget names a colour."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from rich.style import Style
from textual.theme import Theme

DARK = "dark"
ANSI = "ansi-dark"

_PALETTES: dict[str, dict[str, str]] = {
    "dark": {
        "background": "#0d1117", "surface": "#161b22", "text": "#c9d1d9", "dim": "#7d8590", "strong": "#f0f6fc",
        "up": "#3fb950", "down": "#ff7b72", "warn": "#e3b341", "accent": "#58a6ff", "rule": "#30363d",
        "cursor": "#222e4a", "ink": "#0d1117",
    },
    "light": {
        "background": "#ffffff", "surface": "#eaeef2", "text": "#1f2328", "dim": "#59636e", "strong": "#000000",
        "up": "#116329", "down": "#b31d28", "warn": "#7d4e00", "accent": "#0550ae", "rule": "#afb8c1",
        "cursor": "#d0e3f7", "ink": "#ffffff",
    },
    "high-contrast": {
        "background": "#000000", "surface": "#1c1c1c", "text": "#ffffff", "dim": "#d0d0d0", "strong": "#ffffff",
        "up": "#5fff87", "down": "#ff8787", "warn": "#ffff5f", "accent": "#87d7ff", "rule": "#a8a8a8",
        "cursor": "#005f87", "ink": "#000000",
    },
    "colour-blind": {
        "background": "#0d1117", "surface": "#161b22", "text": "#d0d7de", "dim": "#8b949e", "strong": "#f0f6fc",
        "up": "#58a6ff", "down": "#ff9e3d", "warn": "#f2e394", "accent": "#b8c7e0", "rule": "#3a424d",
        "cursor": "#2a2e48", "ink": "#0d1117",
    },
}  # fmt: skip

_ANSI_ROLES = {
    "plain": "default", "dim": "dim", "strong": "bold", "up": "green", "down": "red", "warn": "yellow",
    "bad": "bold red", "good": "green", "accent": "cyan", "key": "bold cyan", "title": "bold", "cursor": "reverse",
    "match": "black on yellow", "demo": "black on cyan", "paper": "black on yellow",
    "live": "bold reverse red on white", "testnet": "bold black on magenta",
    "badge_good": "black on green", "badge_warn": "black on yellow", "badge_bad": "bold white on red",
    "badge_up": "black on green", "badge_down": "black on red",
    "candle_up": "green", "candle_down": "red", "line": "dim", "rule": "dim", "focus": "cyan",
}  # fmt: skip

_PLAIN_ROLES = {
    "plain": "none", "dim": "dim", "strong": "bold", "up": "none", "down": "none", "warn": "bold", "bad": "bold",
    "good": "none", "accent": "none", "key": "bold", "title": "bold", "cursor": "reverse", "match": "reverse",
    "demo": "reverse", "paper": "reverse", "live": "bold reverse", "testnet": "bold reverse",
    "badge_good": "reverse", "badge_warn": "bold reverse", "badge_bad": "bold reverse",
    "badge_up": "reverse", "badge_down": "reverse",
    "candle_up": "none", "candle_down": "none", "line": "dim", "rule": "dim", "focus": "bold",
}  # fmt: skip

THEMES = (DARK, "light", ANSI, "high-contrast", "colour-blind")
PLAIN = "plain"
"""The roles where no colour is wanted. It is none of THEMES: no other can be chosen there."""


def default_theme(environ: Mapping[str, str]) -> str:
    """Sixteen colours where the terminal has no more, or where the operator wants none at all."""
    term = environ.get("TERM", "")
    few_colours = environ.get("COLORTERM", "") == "" and "256color" not in term and "kitty" not in term
    return ANSI if "NO_COLOR" in environ or few_colours else DARK


def themes_for(color_system: str | None) -> tuple[str, ...]:
    """Those that can be read on a terminal: the nearest of sixteen colours may be one colour for text and ground."""
    return (ANSI,) if color_system in (None, "standard") else THEMES


def next_theme(theme: str, color_system: str | None) -> tuple[str, str]:
    """The one after `theme` on such a terminal, and what is told of it."""
    themes = themes_for(color_system)
    found = themes[(themes.index(theme) + 1) % len(themes)] if theme in themes else themes[0]
    only = ", the one that this terminal's colours allow" if len(themes) == 1 else ""
    return found, f"theme: {found}{only}"


@cache
def roles(theme: str) -> dict[str, Style]:
    """Role -> Rich style; laid over a widget's own background."""
    if theme in (ANSI, PLAIN):
        named = _ANSI_ROLES if theme == ANSI else _PLAIN_ROLES
        return {role: Style.parse(text) for role, text in named.items()}
    p = _PALETTES[theme]
    texts = {
        "plain": p["text"],
        "dim": p["dim"],
        "strong": f"bold {p['strong']}",
        "up": p["up"],
        "down": p["down"],
        "warn": p["warn"],
        "bad": f"bold {p['down']}",
        "good": p["up"],
        "accent": p["accent"],
        "key": f"bold {p['accent']}",
        "title": f"bold {p['strong']}",
        "cursor": f"on {p['cursor']}",
        "match": f"{p['ink']} on {p['warn']}",
        "demo": f"bold {p['ink']} on {p['accent']}",
        "paper": f"bold {p['ink']} on {p['warn']}",
        "live": f"bold reverse {p['down']} on {p['ink']}",
        "testnet": f"bold reverse {p['accent']} on {p['ink']}",
        "badge_good": f"bold {p['ink']} on {p['up']}",
        "badge_warn": f"bold {p['ink']} on {p['warn']}",
        "badge_bad": f"bold {p['ink']} on {p['down']}",
        "badge_up": f"{p['ink']} on {p['up']}",
        "badge_down": f"{p['ink']} on {p['down']}",
        "candle_up": p["up"],
        "candle_down": p["down"],
        "line": p["dim"],
        "rule": p["rule"],
        "focus": p["accent"],
    }
    return {role: Style.parse(text) for role, text in texts.items()}


def textual_themes() -> list[Theme]:
    """To be registered with the app; ANSI is Textual's own."""
    return [
        Theme(
            name=name,
            primary=p["accent"],
            foreground=p["text"],
            background=p["background"],
            surface=p["surface"],
            panel=p["surface"],
            dark=name != "light",
        )
        for name, p in _PALETTES.items()
    ]
