"""One coroutine for each incoming command: load, decide, act, save, tell. Safe to run twice."""

from cinelog_storage.handlers.galleries import Galleries
from cinelog_storage.handlers.publishing import OutputPublisher

__all__ = ["Galleries", "OutputPublisher"]
