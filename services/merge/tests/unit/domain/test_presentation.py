"""Playlists' numbers: target durations, bandwidths, names and references."""

from fractions import Fraction
from posixpath import normpath

import pytest
from cinelog_common.cmaf.hlsvalidation import validate
from cinelog_common.cmaf.playlists import write_media_playlist, write_multivariant_playlist
from cinelog_common.contract.commands import Extent
from cinelog_common.contract.sidecars import SegmentPart
from cinelog_common.contract.values import Recipe, Rendition, Track
from cinelog_merge.domain.presentation import (
    Piece,
    media_playlist,
    multivariant,
    relative,
    sidecar_keys,
    strands,
    target_duration,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 1000),
    frame_rate=(30_000, 1001),
    renditions=(
        Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=4000),
        Rendition(name="480p", width=852, height=480, crf=23, max_rate_k=2000),
    ),
    max_segment_s=8.0,
)
SOUND = Track(
    name="a0",
    kind="audio",
    codec="mp4a.40.2",
    recipe="r",
    init_key="k",
    timescale=48_000,
    channels=2,
    bitrate_bps=128_000,
)
CODECS = {"720p": "avc1.64001f", "480p": "avc1.64001e", "a0": "mp4a.40.2", "a1": "mp4a.40.2"}


def a_piece(duration_ms: int, size_bytes: int = 100, start_ms: int = 0, name: str = "720p") -> Piece:
    part = SegmentPart(
        key=f"jobs/j/1/encoded/r/{name}/{start_ms}.m4s",
        start=start_ms,
        end=start_ms + duration_ms,
        frames=1,
        size_bytes=size_bytes,
        checksum=0,
    )
    return Piece(part=part, init_key=f"jobs/j/1/encoded/r/{name}/init-1.mp4", init_hash="1", timescale=1000)


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=20))
def test_a_finished_playlists_target_is_the_smallest_that_holds_every_rounded_segment(
    lengths: list[int],
) -> None:
    pieces = [a_piece(length) for length in lengths]

    target = target_duration(8.0, {"720p": pieces}, final=True)

    text = write_media_playlist(
        media_playlist(pieces, base="jobs/j/1/output/", target=target, ended=True, vod=True)
    )
    assert validate({"720p.m3u8": text}) == []
    # RFC 8216, 4.3.3.1: rounded to the nearest integer, half up.
    assert target == max(1, *((length + 500) // 1000 for length in lengths))


@pytest.mark.parametrize(("longest_s", "target"), [(8.0, 8), (2.5, 3), (0.2, 1), (60.0, 60)])
def test_a_growing_playlists_target_is_known_before_its_segments(longest_s: float, target: int) -> None:
    assert target_duration(longest_s, {"720p": [a_piece(100)]}, final=False) == target


_PART = st.text(st.sampled_from("abc1"), min_size=1, max_size=3)


@given(st.lists(_PART, min_size=1, max_size=5), st.lists(_PART, min_size=1, max_size=5))
def test_a_reference_leads_back_to_its_object(base: list[str], key: list[str]) -> None:
    folder, target = "/".join(base), "/".join([*key, "file.m4s"])

    assert normpath(f"{folder}/{relative(target, folder + '/')}") == target


def test_a_film_lists_its_sizes_with_their_sound() -> None:
    pieces = {"720p": [a_piece(4000)], "480p": [a_piece(4000)], "a0": [a_piece(4000)]}

    text = write_multivariant_playlist(multivariant(RECIPE, (SOUND,), pieces, codecs=CODECS))

    assert validate({"master.m3u8": text}) == []
    assert 'CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970' in text
    assert text.count('AUDIO="sound"') == 2


def test_a_measured_bandwidth_is_never_below_what_a_segment_takes() -> None:
    pieces = {
        "720p": [a_piece(4000, 2_000_000), a_piece(4000, 100_000)],
        "480p": [a_piece(4000, 50_000)],
        "a0": [a_piece(4000, 64_000)],
    }

    first, _ = multivariant(RECIPE, (SOUND,), pieces, codecs=CODECS, final=True).variants

    assert first.bandwidth >= (2_000_000 + 64_000) * 8 // 4
    assert 0 < first.average_bandwidth <= first.bandwidth


COPIED = replace(SOUND, name="v0", kind="video", codec="avc1.64001f", frame_rate=(25, 1), bitrate_bps=800_000)


def copied_bps(*pieces: Piece) -> int:
    codecs = {"v0": "avc1.64001f"}
    (variant,) = multivariant(None, (COPIED,), {"v0": pieces}, codecs=codecs).variants
    return variant.bandwidth


def test_a_passed_through_picture_may_burst_far_above_its_average() -> None:
    # Measured: 40 s of black and 4 s of noise, at 0.78 Mbit/s on average, take 8.7 Mbit/s at their worst.
    assert copied_bps() >= 11.1 * COPIED.bitrate_bps


def test_what_a_passed_through_picture_has_taken_already_is_promised_at_least() -> None:
    calm, noisy = a_piece(4000, 10_000), a_piece(4000, 20_000_000)

    assert copied_bps(calm) == copied_bps()
    assert copied_bps(calm, noisy) == copied_bps(noisy, calm) == 40_000_000


def frames(count: int, length_ms: int) -> Piece:
    piece = a_piece(length_ms)
    return replace(piece, part=replace(piece.part, frames=count))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # 3 s at 20 ms each, then 2 a second.
        ([frames(150, 3000), frames(8, 4000)], Fraction(50)),
        # Milliseconds are too coarse for 30,000/1001: that makes no other rate.
        ([frames(119, 3970), frames(30, 1000), frames(120, 4004)], Fraction(30_000, 1001)),
        # What is shown for a moment only says nothing: a last frame may last as good as no time.
        ([frames(120, 4004), frames(1, 1)], Fraction(30_000, 1001)),
        ([frames(8, 4000)], Fraction(30_000, 1001)),
    ],
)
def test_the_frame_rate_of_a_finished_film_is_its_highest(pieces: list[Piece], expected: Fraction) -> None:
    own = {"720p": pieces, "480p": [a_piece(4000)]}

    first, second = multivariant(RECIPE, (), own, codecs=CODECS, final=True).variants

    assert (first.frame_rate, second.frame_rate) == (expected, Fraction(30_000, 1001))


def test_the_frame_rate_of_a_passed_through_picture_is_its_highest() -> None:
    own = {"v0": [frames(150, 3000), frames(8, 4000)]}

    (variant,) = multivariant(None, (COPIED,), own, codecs={"v0": "avc1.64001f"}, final=True).variants

    assert variant.frame_rate == 50


@pytest.mark.parametrize(
    ("said", "tag"), [("eng", "en"), ("fre", "fr"), ("ENG", "en"), ("und", ""), ("?", "")]
)
def test_a_sound_says_its_language_as_players_expect_it(said: str, tag: str) -> None:
    (sound,) = multivariant(RECIPE, (replace(SOUND, language=said),), {}, codecs=CODECS).audio

    assert sound.language == tag


def test_a_film_that_lies_on_its_side_is_listed_as_it_is_shown() -> None:
    turned = replace(RECIPE, rotation=90)

    first, _ = multivariant(turned, (), {}, codecs=CODECS).variants

    assert (first.width, first.height) == (720, 1280)


@pytest.mark.parametrize(
    ("transfer", "pixels", "expected"),
    [
        (16, "yuv420p10le", "PQ"),
        (18, "yuv420p10le", "HLG"),
        (1, "yuv420p10le", "SDR"),
        (16, "yuv420p", "SDR"),
    ],
)
def test_high_dynamic_range_is_announced_where_it_was_kept(transfer: int, pixels: str, expected: str) -> None:
    recipe = replace(RECIPE, color_transfer=transfer, pixel_format=pixels)

    assert {one.video_range for one in multivariant(recipe, (), {}, codecs=CODECS).variants} == {expected}


def test_two_sounds_of_one_language_have_two_names() -> None:
    tracks = tuple(replace(SOUND, name=f"a{n}", language="en") for n in range(2))

    playlist = multivariant(RECIPE, tracks, {}, codecs=CODECS)

    assert [one.name for one in playlist.audio] == ["en", "en 2"]
    assert [one.default for one in playlist.audio] == [True, False]


def test_a_sound_is_called_what_its_source_calls_it() -> None:
    titles = ('English "5.1"', "English 5.1", "")
    tracks = tuple(replace(SOUND, name=f"a{n}", language="de", title=title) for n, title in enumerate(titles))

    playlist = multivariant(RECIPE, tracks, {}, codecs={**CODECS, "a2": CODECS["a0"]})

    assert [one.name for one in playlist.audio] == ["English 5.1", "English 5.1 2", "de"]


def test_sidecars_are_looked_for_as_far_as_the_extent_reaches() -> None:
    first, _, sound = strands(RECIPE, (SOUND,))
    extent = Extent(units=4, generations={"2": 1}, absent=(1,), tracks={"a0": 2})

    pictures = [key.rpartition("/")[2] for key in sidecar_keys(first, extent, "j", 1)]
    sounds = [key.rpartition("/")[2] for key in sidecar_keys(sound, extent, "j", 1)]

    assert pictures == ["000000.g0.json", "000002.g1.json", "000003.g0.json"]
    assert sounds == ["000000.g0.json", "000001.g0.json"]


def test_a_duration_is_exact() -> None:
    assert a_piece(1).duration == Fraction(1, 1000)
