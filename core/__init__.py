"""The trading domain: no screen, no SQL, no strategy of its own."""
