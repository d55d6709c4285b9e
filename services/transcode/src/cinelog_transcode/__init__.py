"""Encodes every rendition of one segment in a killable process."""
