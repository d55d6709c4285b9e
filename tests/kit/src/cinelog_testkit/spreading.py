"""Which tests go to one of several test processes together: what they share is made once then."""

from pathlib import PurePosixPath

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

TOGETHER = "corpus"
"""Files in a folder of this name share more than one file's tests do: a run over all kinds of sources."""


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """Deals out files, whose tests share servers, browsers and films, and folders that share as much."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folder = PurePosixPath(file).parent
        return str(folder) if folder.name == TOGETHER else file
