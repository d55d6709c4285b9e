"""What an encoder is told of colour, and the init with it."""

from cinelog_common.contract.values import Recipe, Value

_IDENTITY, _BT709 = 0, 1


class Colours(Value, frozen=True, kw_only=True):
    """Code points of ITU-T H.273; `color_range` 1 limited, 2 full, 0 unknown."""

    color_range: int
    primaries: int
    transfer: int
    matrix: int


def colours_of(recipe: Recipe) -> Colours:
    """Return what the encoded pictures are; RGB sources become BT.709, since 4:2:0 has no identity matrix."""
    return Colours(
        color_range=recipe.color_range,
        primaries=recipe.color_primaries,
        transfer=recipe.color_transfer,
        matrix=_BT709 if recipe.color_matrix == _IDENTITY else recipe.color_matrix,
    )
