"""What an encoder is told of colour, and the init with it."""

from cinelog_common.contract.values import Recipe, Value

UNSPECIFIED = 2
_IDENTITY, _BT709, _LIMITED = 0, 1, 1
PQ, HLG = 16, 18


class Colours(Value, frozen=True, kw_only=True):
    """Code points of ITU-T H.273; `color_range` 1 limited, 2 full, 0 unknown."""

    color_range: int
    primaries: int
    transfer: int
    matrix: int


def is_hdr(transfer: int) -> bool:
    """Whether it is one of high dynamic range."""
    return transfer in {PQ, HLG}


def tone_maps(recipe: Recipe) -> bool:
    """Whether pictures of high dynamic range must become ordinary ones: eight bits cannot hold them."""
    return is_hdr(recipe.color_transfer) and "10" not in recipe.pixel_format


def colours_of(recipe: Recipe) -> Colours:
    """Return what the encoded pictures are.

    Tone-mapped ones are BT.709; so is the matrix of RGB sources, since 4:2:0 has no identity matrix.
    """
    if tone_maps(recipe):
        return Colours(color_range=_LIMITED, primaries=_BT709, transfer=_BT709, matrix=_BT709)
    return Colours(
        color_range=recipe.color_range,
        primaries=recipe.color_primaries,
        transfer=recipe.color_transfer,
        matrix=_BT709 if recipe.color_matrix == _IDENTITY else recipe.color_matrix,
    )
