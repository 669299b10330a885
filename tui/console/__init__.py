"""The full-screen console: one app on one screen, a panel a subject."""
