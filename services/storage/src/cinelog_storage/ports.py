"""What storage needs from outside, in its own words."""

from collections.abc import Sequence
from typing import Protocol

from cinelog_common.contract.events import Event
from cinelog_common.contract.values import Output, Value


class Announcer(Protocol):
    """Tells the others."""

    async def announce(self, event: Event) -> object:
        """Append `event` to the log; when this returns, it is a fact.

        Raises:
            TransientError: The log did not acknowledge in time.
        """


class GalleryOrder(Value, frozen=True, kw_only=True):
    """Small pictures to make a poster and a sprite sheet of, and the folder to put them in."""

    bundles: tuple[str, ...]
    folder: str
    duration_s: float


class Gallery(Value, frozen=True, kw_only=True):
    """What came of it; names of files in the folder, None where there was no picture."""

    poster: str | None = None
    sprite: str | None = None
    vtt: str | None = None
    width: int = 0
    height: int = 0


class GalleryAnswer(Value, frozen=True, kw_only=True):
    """What came of an order."""

    gallery: Gallery = Gallery()
    broken: str | None = None


class Gallerist(Protocol):
    """Makes poster and sprite sheet from pictures that were decoded before."""

    async def make(self, order: GalleryOrder) -> Gallery:
        """Make the files.

        Raises:
            TransientError: The process that makes them died.
            PermanentError: The pictures are broken.
        """


class Shelf(Protocol):
    """A destination outside the object store, for one run of one job."""

    async def stage(self, outputs: Sequence[Output], *, title: str) -> tuple[Output, ...]:
        """Bring `outputs` there, hidden, and return them with the `path` each will have.

        All of it, or none. Doing it again begins anew.

        Raises:
            TransientError: A store does not answer.
            PermanentError: No space, or not writable.
        """

    async def reveal(self, outputs: Sequence[Output]) -> tuple[Output, ...]:
        """Make what was staged visible, each output whole; return them with the paths they have now.

        Doing it again changes nothing. What is no longer there has no `path`.

        Raises:
            TransientError: A store does not answer.
            PermanentError: Not writable any more.
        """

    async def discard(self) -> None:
        """Remove what was staged and not revealed, if there is something."""


class ShelfMaker(Protocol):
    """Opens destinations."""

    def open(self, destination: str, *, job: str, run: int) -> Shelf:
        """Return the shelf at `destination`; nothing is touched yet."""
