"""How the pieces of a finished run are presented in a DASH manifest, beside the playlists. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from cinelog_common.cmaf.dash import DashSegment, Representation
from cinelog_common.cmaf.initinfo import InitInfo
from cinelog_common.contract.values import Recipe
from cinelog_common.languages import language_tag

from cinelog_merge.domain.presentation import Piece, Strand, relative, transfer_of


def representations(
    strands: Sequence[Strand],
    pieces: Mapping[str, Sequence[Piece]],
    infos: Mapping[str, InitInfo],
    *,
    recipe: Recipe | None,
    base: str,
) -> list[Representation]:
    """Return what a manifest that lies below `base` lists, pictures first.

    Args:
        strands: Those that hold something.
        pieces: The segments of each.
        infos: What the init segment of each says.
        recipe: How the picture is encoded, if it is.
        base: The key of the manifest's folder.
    """
    found = [
        _representation(strand, pieces[strand.name], infos[strand.name], recipe=recipe, base=base)
        for strand in strands
        if strand.kind in {"video", "audio"}
    ]
    return sorted(found, key=lambda one: one.kind != "video")


def _representation(
    strand: Strand, pieces: Sequence[Piece], info: InitInfo, *, recipe: Recipe | None, base: str
) -> Representation:
    turned = info.rotation % 180 == 90
    width, height = (info.height, info.width) if turned else (info.width, info.height)
    language = strand.track.language if strand.track is not None else info.language
    return Representation(
        name=strand.name,
        kind=strand.kind,
        codec=info.codec,
        init=relative(pieces[0].init_key, base),
        timescale=info.timescale,
        segments=[
            DashSegment(
                uri=relative(piece.part.key, base),
                start=piece.part.start,
                end=piece.part.end,
                size_bytes=piece.part.size_bytes,
            )
            for piece in pieces
        ],
        width=width,
        height=height,
        sar=(info.sar[1], info.sar[0]) if turned else info.sar,
        frame_rate=_frame_rate(strand, recipe),
        transfer=transfer_of(recipe) if recipe is not None and strand.rendition is not None else 2,
        language=language_tag(language),
        channels=info.channels,
        sample_rate=info.sample_rate,
    )


def _frame_rate(strand: Strand, recipe: Recipe | None) -> Fraction:
    if strand.kind != "video":
        return Fraction(0)
    rate = strand.track.frame_rate if strand.track is not None else recipe.frame_rate if recipe else (0, 1)
    return Fraction(*rate) if rate[1] else Fraction(0)
