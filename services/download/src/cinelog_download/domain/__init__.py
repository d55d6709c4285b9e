"""Decisions of the download service, as pure functions and values."""
