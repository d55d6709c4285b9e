"""The HTTP edge: one folder a noun. Nothing is decided here."""
