"""What merge's handlers need from outside, in their own words."""

from typing import Protocol

from cinelog_common.contract.events import Event
from cinelog_common.contract.values import Chapter, Failure, Value


class Announcer(Protocol):
    """Tells the others."""

    async def announce(self, event: Event) -> object:
        """Append `event` to the log; when this returns, it is a fact.

        Raises:
            TransientError: The log did not acknowledge in time.
        """


class JoinPart(Value, frozen=True, kw_only=True):
    """One track of a file to be: files, and what each fragment must hold."""

    kind: str
    init: str
    fragments: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    samples: tuple[int, ...]
    checksums: tuple[int, ...]
    init_hashes: tuple[str, ...] = ()
    """Of the init segment each fragment was made for, as its sidecar says."""
    language: str | None = None


class JoinFile(Value, frozen=True, kw_only=True):
    """One file to be made; its suffix says the container."""

    name: str
    kind: str


class JoinText(Value, frozen=True, kw_only=True):
    """One subtitle track of a file to be."""

    cues: str
    """A file with a `CueSheet`, all of whose cues begin before the film ends."""
    language: str = "und"
    shown: bool = False
    """Whether players show it unasked."""


class JoinOrder(Value, frozen=True, kw_only=True):
    """What to join, below `folder`, and how closely to look at the result; without files only look."""

    folder: str
    parts: tuple[JoinPart, ...]
    files: tuple[JoinFile, ...]
    title: str = ""
    tags: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    cover: str | None = None
    """A file with a picture for the result, JPEG or PNG."""
    texts: tuple[JoinText, ...] = ()
    """Of files with a picture."""
    verify: str = "seams"


class Joined(Value, frozen=True, kw_only=True):
    """One finished, checked file."""

    name: str
    kind: str
    size_bytes: int
    duration_s: float
    width: int | None = None
    height: int | None = None
    frames: int | None = None


class JoinAnswer(Value, frozen=True, kw_only=True):
    """What came of an order."""

    joined: tuple[Joined, ...] = ()
    failure: Failure | None = None
    transient: bool = False
    """Whether the same order may succeed later."""


class Joiner(Protocol):
    """Joins fragments into files, without re-encoding."""

    async def join(self, order: JoinOrder) -> tuple[Joined, ...]:
        """Make the files of `order` and check them; without files, check only that all fits together.

        Raises:
            TransientError: The process that joins died, or a fragment is not there.
            PermanentError: The fragments do not fit together, or the result is not what was planned.
        """
