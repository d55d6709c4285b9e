"""Processes that touch media bytes and may be killed at any moment."""
