"""Where a film goes on with other parameters, and that sound never runs ahead of the picture."""

from fractions import Fraction

import pytest
from cinelog_common.cmaf.hlsparsing import parse_playlist
from cinelog_common.cmaf.hlsvalidation import validate, validate_update
from cinelog_common.cmaf.playlists import write_media_playlist
from cinelog_common.contract.commands import Extent
from cinelog_merge.domain.breaking import breaks_of, broken, in_step
from cinelog_merge.domain.presentation import Piece, Strand, media_playlist, sidecar_keys, strands
from cinelog_merge.joining_testing import JOB, RECIPE, Footage, clicks, pictures
from msgspec.structs import replace

PICTURE, SOUND = strands(RECIPE, (clicks().track(),))


def other(pieces: list[Piece], since: int) -> list[Piece]:
    """The same pieces, from one on made with other parameters."""
    return [
        replace(piece, init_hash="other", init_key=f"{piece.init_key}.other") if n >= since else piece
        for n, piece in enumerate(pieces)
    ]


@pytest.fixture(scope="module")
def pieces() -> dict[str, list[Piece]]:
    return {"96p": pictures().pieces, "a0": clicks().pieces}


def test_sound_that_begins_behind_the_picture_waits_for_it(pieces: dict[str, list[Piece]]) -> None:
    counts = {
        shown: len(in_step((PICTURE, SOUND), {**pieces, "96p": pieces["96p"][:shown]})["a0"])
        for shown in (1, 2, 3)
    }

    assert counts == {1: 1, 2: 2, 3: 3}


def test_sound_alone_waits_for_nothing(pieces: dict[str, list[Piece]]) -> None:
    assert in_step((SOUND,), {"a0": pieces["a0"]}) == {"a0": pieces["a0"]}


def test_the_slowest_rendition_leads(pieces: dict[str, list[Piece]]) -> None:
    small = replace(PICTURE, name="48p")

    kept = in_step((PICTURE, small, SOUND), {**pieces, "48p": pieces["96p"][:1]})

    assert len(kept["a0"]) == 1


@pytest.mark.parametrize("since", [1, 2])
def test_all_playlists_break_at_the_same_time_and_only_grow(
    pieces: dict[str, list[Piece]], since: int
) -> None:
    made = {**pieces, "96p": other(pieces["96p"], since)}
    before: dict[str, str] = {}
    for shown in (1, 2, 3):
        part = in_step((PICTURE, SOUND), {**made, "96p": made["96p"][:shown]})
        breaks = breaks_of((PICTURE, SOUND), part)
        texts = {
            f"{name}.m3u8": write_media_playlist(
                broken(media_playlist(own, base="b/", target=2, ended=shown == 3), own, breaks)
            )
            for name, own in part.items()
        }
        assert validate(texts) == []
        assert all(validate_update(before[name], text) == [] for name, text in texts.items() if before)
        before = texts

    for text in before.values():
        tags = [entry.tag("EXT-X-DISCONTINUITY") for entry in parse_playlist(text).entries]
        assert [n for n, tag in enumerate(tags) if tag is not None] == [since]


def test_sound_breaks_where_it_begins_at_or_after_the_picture_does(pieces: dict[str, list[Piece]]) -> None:
    playlist = media_playlist(pieces["a0"], base="b/", target=2, ended=False)

    for at, places in ((Fraction(1, 2), [1]), (Fraction(96, 100), [1]), (Fraction(97, 100), [2])):
        found = broken(playlist, pieces["a0"], [at]).segments
        assert [n for n, segment in enumerate(found) if segment.discontinuity] == places


def test_units_are_looked_for_where_the_recipe_that_counts_has_put_them() -> None:
    extent = Extent(units=4, recipes={"0": "first", "2": "second"}, generations={"3": 1}, absent=(1,))

    names = sidecar_keys(PICTURE, extent, JOB, 1)

    assert [name.split("/encoded/")[1] for name in names] == [
        "first/96p/000000.g0.json",
        "second/96p/000002.g0.json",
        "second/96p/000003.g1.json",
    ]


def test_a_strand_of_a_passed_through_track_is_no_picture_to_wait_for(film: Footage, sound: Footage) -> None:
    copied = Strand(name="v0", recipe="copy", kind="video", track=film.track("video"))
    own = {"v0": film.pieces[:1], "a0": sound.pieces}

    assert in_step((copied, SOUND), own) == own
