"""One coroutine for each incoming command: load, decide, act, save, tell. Safe to run twice."""

from cinelog_merge.handlers.assembling import OutputAssembler
from cinelog_merge.handlers.extending import PlaylistExtender
from cinelog_merge.handlers.library import Library

__all__ = ["Library", "OutputAssembler", "PlaylistExtender"]
