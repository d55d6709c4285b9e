"""Resolves a source, fetches it and cuts it into packet bundles while it arrives."""
