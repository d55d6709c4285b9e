"""Where a growing film goes on with other parameters: in all its playlists at the same time. Pure."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from cinelog_common.cmaf.playlists import MediaPlaylist
from msgspec.structs import replace

from cinelog_merge.domain.presentation import Piece, Strand


def breaks_of(strands: Sequence[Strand], pieces: Mapping[str, Sequence[Piece]]) -> list[Fraction]:
    """Return when, in seconds, a picture begins to be encoded with other parameters."""
    found = {
        after.start
        for strand in strands
        if strand.rendition is not None
        for before, after in pairwise(pieces.get(strand.name, ()))
        if after.init_hash != before.init_hash
    }
    return sorted(found)


def in_step(strands: Sequence[Strand], pieces: Mapping[str, list[Piece]]) -> dict[str, list[Piece]]:
    """Return the pieces without sound that begins behind the end of the picture so far.

    Sound is made long before the picture. What of it is published cannot get a discontinuity any more,
    and the picture may need one where it goes on.
    """
    ends = [
        pieces[strand.name][-1].end
        for strand in strands
        if strand.rendition is not None and pieces.get(strand.name)
    ]
    if not ends:
        return dict(pieces)
    end = min(ends)
    encoded = {strand.name for strand in strands if strand.rendition is not None}
    kept = {
        name: own if name in encoded else [piece for piece in own if piece.start < end]
        for name, own in pieces.items()
    }
    return {name: own for name, own in kept.items() if own}


def broken(playlist: MediaPlaylist, pieces: Sequence[Piece], breaks: Sequence[Fraction]) -> MediaPlaylist:
    """Return the playlist of `pieces` with a discontinuity wherever another strand has one.

    Players count them to bring sound and pictures together (RFC 8216, 6.2.4).
    """
    places = {next((n for n, piece in enumerate(pieces) if piece.start >= at), None) for at in breaks}
    segments = [replace(segment, discontinuity=n in places) for n, segment in enumerate(playlist.segments)]
    return replace(playlist, segments=segments)
