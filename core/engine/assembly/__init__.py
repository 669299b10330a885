"""An engine put together: for the demo, and for paper and live at an exchange."""
