"""Processes that meet hostile bytes and may be killed at any moment."""
