"""Processes that touch picture bytes and may be killed at any moment."""
