"""What storage needs from outside, in its own words."""

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
    """A destination outside the object store."""

    async def place(self, output: Output, *, title: str, job: str) -> Output:
        """Put one output there, whole or not at all, and return it with its `path`.

        Raises:
            PermanentError: No space, or not writable.
        """

    async def remove(self, outputs: tuple[Output, ...]) -> None:
        """Take back what was placed for a run that did not win."""


class ShelfMaker(Protocol):
    """Opens destinations."""

    def open(self, destination: str) -> Shelf:
        """Return the shelf at `destination`.

        Raises:
            PermanentError: It cannot be written.
        """
