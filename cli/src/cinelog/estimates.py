"""What a run will make and need, guessed before it begins. Pure."""

from collections.abc import Sequence

from cinelog_common.contract.values import Rendition, Value, VideoInfo

_USUAL_SHARE = 1 / 3
"""Of a rendition's cap: what constant quality spends on film as a rule."""
_DETAIL = 0.75
"""Bits grow more slowly than pixels: neighbouring ones look alike."""
_CONTAINER = 1.005


class Guess(Value, frozen=True, kw_only=True):
    """A size in bytes: the likely one, and one that is hardly exceeded."""

    expected: int = 0
    at_most: int = 0

    def __add__(self, other: "Guess") -> "Guess":
        """Return both together."""
        return Guess(expected=self.expected + other.expected, at_most=self.at_most + other.at_most)


def encoded(
    renditions: Sequence[Rendition], video: VideoInfo, *, duration_s: float, source_bps: float
) -> Guess:
    """Return the size of all renditions of a picture; `source_bps` is its own bitrate, 0 if unknown."""
    total = Guess()
    for rendition in renditions:
        cap_bps = rendition.max_rate_k * 1000
        expected_bps = cap_bps * _USUAL_SHARE
        if source_bps:
            share = rendition.width * rendition.height / max(1, video.width * video.height)
            # Quality that the source does not have costs nothing.
            expected_bps = min(expected_bps, source_bps * share**_DETAIL)
        total += Guess(expected=_bytes(expected_bps, duration_s), at_most=_bytes(cap_bps, duration_s))
    return total


def constant(bits_per_second: float, duration_s: float) -> Guess:
    """Return the size of what has a constant bitrate, or is copied as it is."""
    size = _bytes(bits_per_second, duration_s)
    return Guess(expected=size, at_most=size)


def disk_needed(made: Guess, best: Guess, *, source: int, remote: bool, joined: bool) -> int:
    """Return how many bytes a run takes at its height.

    Args:
        made: All segments.
        best: The rendition and the sound that a file is joined of.
        source: The source.
        remote: Whether the source is brought in from elsewhere.
        joined: Whether a file is made of the segments.
    """
    # The packets of the picture lie beside the source until the job has ended.
    return source * (2 if remote else 1) + made.expected + (best.expected if joined else 0)


def _bytes(bits_per_second: float, duration_s: float) -> int:
    return int(bits_per_second * duration_s / 8 * _CONTAINER)
