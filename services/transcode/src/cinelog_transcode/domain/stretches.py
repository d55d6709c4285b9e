"""How pictures in mid-stream differ from those that the recipe was made for: the film's first stretch.

Broadcasts and joined files change their aspect, colours or interlacing on the way. The encoded film
cannot: what says so was written once. So later pictures are made alike, or the user is told.
"""

from fractions import Fraction

from cinelog_common.contract.values import Recipe, Value, VideoInfo

from cinelog_transcode.domain.colours import UNSPECIFIED, colours_of, is_hdr, tone_maps

INTERLACED = "Some pictures are interlaced though the first ones are not: their combing was left in."
SHAPE = "The picture changes its size without saying how wide its pixels are: it may look stretched."
RANGE = "Some pictures have another dynamic range than the first ones: they may look too dark or too pale."
GAMUT = "Some pictures have another range of colours than the first ones: they may look too pale or too rich."

_CLOSE = Fraction(1, 100)
"""Sizes are rounded to even numbers and aspects to small ones: less than this is no change."""
_BT2020 = 9
_START_CODE = b"\0\0"
_BROADCAST = (1, 90_000)
_DESCRIBED = frozenset({"mpeg2video", "h264", "hevc"})


class Stretch(Value, frozen=True, kw_only=True):
    """What the first pictures are.

    Attributes:
        wide_pixels: How wide a pixel is shown for its height.
        is_own_aspect: Whether the stream alone says that, picture by picture: no container overrules it.
        may_comb: Whether interlaced pictures were to be expected, or are no matter.
        converts: Whether other dynamic ranges can be converted: the result is of the ordinary one.
        primaries: Of the result.
    """

    size: tuple[int, int]
    wide_pixels: Fraction
    is_own_aspect: bool
    may_comb: bool
    converts: bool
    primaries: int
    transfer: int


def first_stretch(video: VideoInfo, recipe: Recipe, extradata: bytes) -> Stretch:
    """Return what `recipe` was made for; `extradata` is the decoder's."""
    aspect = recipe.sample_aspect if min(recipe.sample_aspect) > 0 else (1, 1)
    # Transport and program streams, by their clock and by parameter sets with start codes: MP4 and
    # Matroska have boxes for the aspect, which players believe more than they do the pictures.
    broadcast = video.time_base == _BROADCAST and extradata.startswith(_START_CODE)
    return Stretch(
        size=(video.width, video.height),
        wide_pixels=Fraction(*aspect),
        is_own_aspect=broadcast and video.codec in _DESCRIBED,
        may_comb=recipe.deinterlace or video.field_order not in {"progressive", "unknown", ""},
        converts=tone_maps(recipe) or not is_hdr(recipe.color_transfer),
        primaries=colours_of(recipe).primaries,
        transfer=recipe.color_transfer,
    )


def widening(first: Stretch, size: tuple[int, int], wide_pixels: Fraction) -> Fraction | None:
    """Return how much wider than the first ones a picture is shown, at equal height; 1 for no change.

    None if nobody knows. `wide_pixels` is what the picture says itself, 1 if it does not.
    """
    pixels = Fraction(*size) / Fraction(*first.size)
    if not first.is_own_aspect:
        if _is_one(pixels):
            return Fraction(1)
        if wide_pixels == 1 and first.wide_pixels != 1:
            return None
    wider = pixels * wide_pixels / first.wide_pixels
    return Fraction(1) if _is_one(wider) else wider


def other_transfer(first: Stretch, transfer: int) -> int | None:
    """Return `transfer` if it needs another treatment than the first pictures' does."""
    if transfer in {0, UNSPECIFIED, first.transfer}:
        return None
    # The curves of ordinary range are so alike that players treat them as one.
    return transfer if is_hdr(transfer) or is_hdr(first.transfer) else None


def is_other_gamut(first: Stretch, primaries: int) -> bool:
    """Whether colours look wrong on the first ones' primaries; the small ones are nearly the same."""
    known = UNSPECIFIED not in {first.primaries, primaries} and 0 not in {first.primaries, primaries}
    return known and (first.primaries == _BT2020) != (primaries == _BT2020)


class Box(Value, frozen=True, kw_only=True):
    """Where in a frame a picture is, in pixels; the rest is black."""

    width: int
    height: int
    left: int
    top: int


def boxed(width: int, height: int, wider: Fraction) -> Box:
    """Return where in a frame of this size a picture fits that is so much `wider` than the frame.

    All numbers are even, as halved chroma needs them, so long as the frame's are.
    """
    across = width if wider >= 1 else min(width, max(2, round(width * wider / 2) * 2))
    down = height if wider <= 1 else min(height, max(2, round(height / wider / 2) * 2))
    return Box(width=across, height=down, left=(width - across) // 4 * 2, top=(height - down) // 4 * 2)


def _is_one(ratio: Fraction) -> bool:
    return abs(ratio - 1) <= _CLOSE
