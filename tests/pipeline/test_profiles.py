"""Profiles, codecs and containers: what each makes of one source."""

from collections.abc import Iterator
from concurrent.futures import Future
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cinelog_common.cmaf.hlsparsing import attributes, parse_playlist
from cinelog_testkit.commands import Finished, cinelog
from cinelog_testkit.converting import converted
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.overlapping import begun, names_chosen
from cinelog_testkit.viewing import variants, view, view_hls

WEBM_TICK_S = 0.001
"""WebM counts in milliseconds."""
SIZES_480 = ((852, 480), (854, 480))
"""16:9 at 480 lines is 853 1/3 columns wide; encoders want even numbers."""


@pytest.fixture(scope="module")
def tall_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second at 1280 × 720, so that a ladder has two rungs."""
    film = Film(frames=20, size=(1280, 720), options={"preset": "ultrafast", "qp": "30"})
    return make_film(tmp_path_factory.mktemp("tall") / "tall.mp4", film)


def test_a_ladder_goes_as_far_as_the_source(tall_film: Path, convert: Any, same_film: Any) -> None:
    source = view(tall_film)

    done = convert(tall_film, "--profile", "ladder")

    rungs = [view_hls(done.path("hls"), variant) for variant in range(len(variants(done.path("hls"))))]
    assert sorted(rung.size for rung in rungs) in [[size, (1280, 720)] for size in SIZES_480]
    for rung in rungs:
        same_film(rung, source)
    same_film(view(done.path("mp4")), source)
    assert done.output("mp4")["height"] == 720


def test_the_rungs_of_a_ladder_are_cut_at_the_same_times(tall_film: Path, convert: Any) -> None:
    done = convert(tall_film, "--profile", "ladder", "--segment", "1")

    cuts = []
    for playlist in variants(done.path("hls")):
        entries = parse_playlist(playlist.read_text()).entries
        cuts.append([tag.value for entry in entries for tag in entry.tags if tag.name == "EXTINF"])
    assert len(cuts) == 2
    assert cuts[0] == cuts[1]


def test_a_lower_height_is_obeyed(tall_film: Path, convert: Any, same_film: Any) -> None:
    done = convert(tall_film, "--height", "480", "--container", "mp4")

    viewing = view(done.path("mp4"))
    assert viewing.size in SIZES_480
    same_film(viewing, view(tall_film))
    assert not any(output["kind"] == "hls" for output in done.result["outputs"])


def test_the_original_is_passed_through_without_encoding(film: Path, convert: Any, same_film: Any) -> None:
    done = convert(film, "--profile", "original", "--container", "mp4", "--container", "hls", quick=False)

    result, source = view(done.path("mp4")), view(film)
    same_film(result, source)
    same_film(view_hls(done.path("hls")), source)
    assert result.codec == source.codec
    assert packets_of(done.path("mp4")) == packets_of(film)


def packets_of(path: Path) -> list[bytes]:
    """Every picture as it is stored, in the order it is stored."""
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_sound_alone_is_made_on_request(film: Path, convert: Any) -> None:
    done = convert(film, "--profile", "audio", quick=False)

    heard = view(done.path("audio"))
    assert heard.pictures == ()
    assert heard.clicks_s == pytest.approx(view(film).clicks_s, abs=0.003)
    assert done.path("audio").name == "numbered.m4a"


CODECS = {
    "h264 in mp4": ("h264", ("mp4",)),
    "hevc in hls and mp4": ("hevc", ("hls", "mp4")),
    "av1 in hls and mp4": ("av1", ("hls", "mp4")),
    "av1 in webm": ("av1", ("webm",)),
    "vp9 in webm": ("vp9", ("webm",)),
    "vp9 in mp4": ("vp9", ("mp4",)),
}


@pytest.fixture(scope="module")
def encoded(
    request: pytest.FixtureRequest, film: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Finished]]]:
    """What each chosen codec makes of the film."""
    calls = {}
    for name in names_chosen(request):
        codec, containers = CODECS[name]
        wanted = [word for each in containers for word in ("--container", each)]
        out = tmp_path_factory.mktemp("codec") / "out"
        calls[name] = partial(converted, film, out, "--codec", codec, *wanted)
    with begun(calls) as results:
        yield results


@pytest.mark.parametrize("name", CODECS)
def test_each_codec_in_each_container_shows_every_picture(
    film: Path, encoded: dict[str, Future[Finished]], same_film: Any, name: str
) -> None:
    codec, containers = CODECS[name]

    done = encoded[name].result()

    made = {output["kind"]: Path(output["path"]) for output in done.result["outputs"]}
    assert made.keys() & {"hls", "mp4", "webm"} == set(containers)
    for kind in containers:
        viewing = view_hls(made[kind]) if kind == "hls" else view(made[kind])
        same_film(viewing, view(film), tick_s=WEBM_TICK_S if kind == "webm" else 0.0)
        assert (viewing.codec, viewing.sound) == (codec, "opus" if "webm" in containers else "aac")


def test_the_multivariant_playlist_says_what_a_player_must_know(film: Path, convert: Any) -> None:
    done = convert(film)

    (variant,) = parse_playlist(done.path("hls").read_text()).entries
    (said,) = [attributes(tag) for tag in variant.tags if tag.name == "EXT-X-STREAM-INF"]
    assert said["RESOLUTION"] == "160x96"
    assert said["CODECS"].startswith('"avc1.')
    assert "mp4a.40.2" in said["CODECS"]
    assert int(said["BANDWIDTH"]) > 0
    assert Fraction(said["FRAME-RATE"]) == 25


@pytest.mark.parametrize(
    "words",
    [
        ("--codec", "vp9", "--container", "hls"),
        ("--height", "4000"),
        ("--profile", "original", "--crf", "20"),
        ("--crf", "99"),
        ("--hardware", "never", "--vendor", "nvidia"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_refused_before_anything_begins(
    film: Path, out: Path, words: tuple[str, ...]
) -> None:
    done = cinelog("run", film, "--out", out, "--json", *words)

    assert done.code == 2
    assert done.result["error"]["category"] == "invalid_request"
    assert done.result["error"]["action"]
    assert not out.exists()
