"""The least a Textual program can be, which shows the last key typed: the floor under the console's answers."""

from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import Static


class BareApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("READY")

    def on_key(self, event: Key) -> None:
        self.query_one(Static).update(f"key {event.character}")


if __name__ == "__main__":
    BareApp().run()
