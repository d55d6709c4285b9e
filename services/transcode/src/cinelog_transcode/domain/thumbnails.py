"""Small pictures for poster and sprites: which frames, and how large."""

from fractions import Fraction

from cinelog_common.contract.values import Recipe, Value, VideoInfo


class ThumbnailSize(Value, frozen=True, kw_only=True):
    """Pixels of a picture before it is turned by `rotation` degrees clockwise."""

    width: int
    height: int
    rotation: int


class ThumbnailClock:
    """Says for each frame of a unit whether it is the one on screen at the next multiple of `step`.

    The multiples count from the timeline's zero, so a film's pictures are evenly spaced whatever
    the cuts; a multiple within a unit that no frame begins at goes to the first frame after it.
    """

    def __init__(self, start: int, step: int) -> None:
        self._step = max(1, step)
        self._due = -(-start // self._step) * self._step

    def takes(self, pts: int) -> bool:
        """Tell whether to keep the frame at `pts`; frames come in presentation order."""
        if pts < self._due:
            return False
        self._due = (pts // self._step + 1) * self._step
        return True


def thumbnail_size(video: VideoInfo, recipe: Recipe, widest: int) -> ThumbnailSize:
    """Return the size that shows square pixels and is, once turned, at most `widest` pixels wide."""
    aspect = Fraction(*recipe.sample_aspect) if min(recipe.sample_aspect) > 0 else Fraction(1)
    shown = (video.width * aspect, Fraction(video.height))
    across = shown[1] if recipe.rotation % 180 else shown[0]
    scale = min(Fraction(1), Fraction(widest) / across)
    return ThumbnailSize(
        width=_even(shown[0] * scale), height=_even(shown[1] * scale), rotation=recipe.rotation % 360
    )


def _even(length: Fraction) -> int:
    return max(2, round(length / 2) * 2)
