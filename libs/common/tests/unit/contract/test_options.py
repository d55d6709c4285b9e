"""What may be asked for: every impossible pair is refused at submit, with what to do instead."""

import itertools
import math
from typing import Any

import pytest
from cinelog_common.contract import options as contract
from cinelog_common.contract.options import InvalidOptionsError, Settled, check_source, settle
from cinelog_common.contract.quality import QualityGoal
from cinelog_common.contract.values import AudioRecipe, Options, Source
from hypothesis import given
from hypothesis import strategies as st


def settled(**fields: Any) -> Settled:
    return settle(Options(**fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("encode", "h264", (1080,), ("hls", "mp4"), AudioRecipe(codec="aac"))),
        ({"profile": "ladder"}, ("encode", "h264", (1080, 720, 480), ("hls", "mp4"), AudioRecipe())),
        ({"profile": "original"}, ("copy", "h264", (1080,), ("mp4",), AudioRecipe(mode="copy"))),
        ({"profile": "audio"}, ("none", "h264", (1080,), ("mp4",), AudioRecipe())),
        ({"codec": "vp9"}, ("encode", "vp9", (1080,), ("webm",), AudioRecipe(codec="opus"))),
        (
            {"codec": "av1", "containers": ("webm", "mp4")},
            ("encode", "av1", (1080,), ("webm", "mp4"), AudioRecipe(codec="opus")),
        ),
        ({"codec": "av1"}, ("encode", "av1", (1080,), ("hls", "mp4"), AudioRecipe())),
        (
            {"profile": "ladder", "height": 1440},
            ("encode", "h264", (1440, 1080, 720, 480), ("hls", "mp4"), AudioRecipe()),
        ),
        ({"profile": "ladder", "height": 480}, ("encode", "h264", (480,), ("hls", "mp4"), AudioRecipe())),
        ({"audio_bitrate_k": 256}, ("encode", "h264", (1080,), ("hls", "mp4"), AudioRecipe(bitrate_k=256))),
        (
            {"profile": "original", "containers": ("hls", "mp4")},
            ("copy", "h264", (1080,), ("hls", "mp4"), AudioRecipe(mode="copy")),
        ),
    ],
    ids=str,
)
def test_blanks_are_filled_in(fields: dict[str, Any], expected: tuple[Any, ...]) -> None:
    made = settled(**fields)

    assert (made.video, made.codec, made.heights, made.containers, made.audio) == expected


def test_defaults_of_numbers() -> None:
    made = settled()

    assert (made.crf, made.preset, made.segment_s, made.max_segment_s) == (23, "medium", 4.0, 8.0)
    assert [settled(codec=codec).crf for codec in contract.CODECS] == [23, 26, 32, 33]


IMPOSSIBLE: list[dict[str, Any]] = [
    {"profile": "cinema"},
    {"codec": "mpeg2"},
    {"preset": "warp"},
    {"hardware": "perhaps"},
    {"vendor": "acme"},
    {"priority": "urgent"},
    {"verify": "never"},
    {"containers": ()},
    {"containers": ("avi",)},
    {"containers": ("mp4", "mp4")},
    {"codec": "vp9", "containers": ("hls",)},
    {"codec": "h264", "containers": ("webm",)},
    {"codec": "hevc", "containers": ("webm",)},
    {"codec": "av1", "containers": ("hls", "webm")},
    {"codec": "vp9", "containers": ("hls", "webm")},
    {"height": 479},
    {"height": 2161},
    {"height": 0},
    {"height": -720},
    {"crf": -1},
    {"crf": 52},
    {"crf": 64, "codec": "av1"},
    {"audio_bitrate_k": 31},
    {"normalize": -41.0},
    {"normalize": 0.0},
    {"normalize": float("nan")},
    {"profile": "original", "normalize": -23.0},
    {"audio_bitrate_k": 513},
    {"segment_s": 0.0},
    {"segment_s": 0.99},
    {"segment_s": 30.1},
    {"segment_s": math.nan},
    {"segment_s": math.inf},
    {"hardware": "never", "vendor": "nvidia"},
    {"hardware": "require", "codec": "vp9", "vendor": "nvidia"},
    {"hardware": "require", "codec": "av1", "vendor": "apple"},
    {"title": "x" * 1001},
    {"title": "lone \ud800"},
    {"destination": "lone \udcff"},
    {"profile": "original", "audio_bitrate_k": 128},
    {"profile": "original", "containers": ("webm",)},
    {"profile": "audio", "containers": ("hls",)},
    {"profile": "audio", "containers": ("webm",)},
    *(
        {"profile": profile, name: value}
        for profile in ("original", "audio")
        for name, value in (
            ("height", 720),
            ("codec", "h264"),
            ("preset", "fast"),
            ("crf", 20),
            ("vendor", "nvidia"),
            ("hardware", "require"),
        )
    ),
]


@pytest.mark.parametrize("fields", IMPOSSIBLE, ids=str)
def test_what_cannot_be_is_refused_with_what_to_do_instead(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptionsError) as raised:
        settled(**fields)

    assert raised.value.category == "invalid_request"
    assert raised.value.message.endswith(".")
    assert raised.value.action.endswith(".")


@pytest.mark.parametrize(("codec", "container"), [*itertools.product(contract.CODECS, contract.CONTAINERS)])
def test_a_codec_is_put_only_where_players_find_it(codec: str, container: str) -> None:
    impossible = {("vp9", "hls"), ("h264", "webm"), ("hevc", "webm")}

    if (codec, container) in impossible:
        with pytest.raises(InvalidOptionsError, match=r"cannot be put into"):
            settled(codec=codec, containers=(container,))
    else:
        assert settled(codec=codec, containers=(container,)).containers == (container,)


@pytest.mark.parametrize(
    ("fields", "vendors", "possible"),
    [
        ({"hardware": "require"}, (), False),
        ({"hardware": "require"}, ("nvidia",), True),
        ({"hardware": "require", "vendor": "intel"}, ("nvidia",), False),
        ({"hardware": "require", "vendor": "intel"}, ("nvidia", "intel"), True),
        ({"hardware": "require", "codec": "av1"}, ("apple",), False),
        ({"hardware": "require", "codec": "vp9"}, ("intel",), True),
        ({"hardware": "require", "codec": "vp9"}, ("nvidia",), False),
        ({"hardware": "auto", "vendor": "amd"}, (), True),
        ({"hardware": "require"}, None, True),
        ({"height": 480, "hardware": "require", "vendor": "amd"}, ("nvidia",), False),
    ],
    ids=str,
)
def test_hardware_that_is_required_must_be_there(
    fields: dict[str, Any], vendors: tuple[str, ...] | None, *, possible: bool
) -> None:
    if possible:
        settle(Options(**fields), vendors=vendors)
    else:
        with pytest.raises(InvalidOptionsError):
            settle(Options(**fields), vendors=vendors)


NAMES: dict[str, Any] = {
    "profile": st.sampled_from([*contract.PROFILES, "x"]),
    "height": st.none() | st.integers(0, 3000),
    "codec": st.none() | st.sampled_from([*contract.CODECS, "x"]),
    "containers": st.none() | st.lists(st.sampled_from([*contract.CONTAINERS, "x"]), max_size=3).map(tuple),
    "preset": st.none() | st.sampled_from([*contract.PRESETS, "x"]),
    "crf": st.none() | st.integers(-5, 70),
    "audio_bitrate_k": st.none() | st.integers(0, 600),
    "normalize": st.none() | st.floats(-60, 10),
    "hardware": st.sampled_from([*contract.HARDWARE, "x"]),
    "vendor": st.none() | st.sampled_from([*contract.VENDORS, "x"]),
    "segment_s": st.none() | st.floats(),
}


@given(st.fixed_dictionaries(NAMES))
def test_whatever_is_asked_for_is_refused_or_makes_sense(fields: dict[str, Any]) -> None:
    try:
        made = settled(**fields)
    except InvalidOptionsError:
        return

    assert made.containers
    assert made.heights == tuple(sorted(set(made.heights), reverse=True))
    assert 1.0 <= made.segment_s < made.max_segment_s <= 60.0
    if made.video == "encode":
        assert all(made.codec in contract._HOLDS[container] for container in made.containers)
    assert (made.audio.codec == "opus") == ("webm" in made.containers)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.mp4",
        "HTTP://example.org",
        "file:///tmp/a.mp4",
        "/tmp/a film.mp4",
        "C:film.mp4",
        "upload://abc",
        "object://bucket/key",
        "-dash.mp4",
        "/tmp/a://b.mp4",
        "日本.mp4",
    ],
)
def test_a_source_is_a_url_or_a_path(url: str) -> None:
    check_source(Source(url=url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "x" * 8193,
        "a\nb",
        "a\0b",
        "a\x7fb",
        "ftp://a/b",
        "javascript://x",
        "data://a",
        "lone \udcff",
    ],
    ids=lambda url: repr(url)[:20],
)
def test_what_is_no_source_is_refused(url: str) -> None:
    with pytest.raises(InvalidOptionsError):
        check_source(Source(url=url))


@pytest.mark.parametrize(
    "headers",
    [
        {"A\r\nB": "x"},
        {"A": "x\r\nHost: elsewhere"},
        {"": "x"},
        {"A:": "x"},
        {"A": "x" * 8193},
        {f"A{n}": "x" for n in range(65)},
    ],
    ids=lambda headers: repr(headers)[:30],
)
def test_headers_that_would_smuggle_others_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidOptionsError):
        check_source(Source(url="https://a.example", headers=headers))


def test_sound_headers_and_formats_are_taken() -> None:
    check_source(
        Source(
            url="https://a.example", headers={"Referer": "https://b.example/"}, format="bv*[height<=720]+ba"
        )
    )


@pytest.mark.parametrize("form", ["x" * 1001, "best\nworst"])
def test_a_format_that_is_none_is_refused(form: str) -> None:
    with pytest.raises(InvalidOptionsError):
        check_source(Source(url="https://a.example", format=form))


@pytest.mark.parametrize(
    ("wanted", "codec", "container", "bitrate_k"),
    [
        (None, "aac", "mp4", 128),
        ("m4a", "aac", "mp4", 128),
        ("mp3", "mp3", "mp3", 192),
        ("opus", "opus", "opus", 128),
    ],
)
def test_each_audio_format_has_its_codec_and_bitrate(
    wanted: str | None, *, codec: str, container: str, bitrate_k: int
) -> None:
    settled = settle(Options(profile="audio", audio_format=wanted))

    assert (settled.audio.codec, settled.audio.bitrate_k) == (codec, bitrate_k)
    assert settled.containers == (container,)


@pytest.mark.parametrize("profile", ["web", "ladder", "audio"])
def test_a_wanted_loudness_is_part_of_how_sound_is_made(profile: str) -> None:
    settled = settle(Options(profile=profile, normalize=-23.0))

    assert settled.audio.loudness_lufs == -23.0
    assert settled.audio.hash != settle(Options(profile=profile)).audio.hash


@pytest.mark.parametrize(
    ("options", "settled"),
    [
        ({}, "all"),
        ({"subtitles": "none"}, "none"),
        ({"subtitles": " en, pt-BR"}, "en,pt-BR"),
        ({"profile": "audio"}, "none"),
        ({"containers": ("webm",), "codec": "vp9"}, "none"),
        ({"profile": "original"}, "all"),
    ],
)
def test_subtitles_are_asked_for_where_the_result_can_hold_them(options: Any, settled: str) -> None:
    assert settle(Options(**options)).subtitles == settled


@pytest.mark.parametrize("wanted", ["", "e", "en;de", "en,", "english", "en,\n../x"])
def test_subtitles_in_what_is_no_language_are_refused(wanted: str) -> None:
    with pytest.raises(InvalidOptionsError):
        settle(Options(subtitles=wanted))


@pytest.mark.parametrize(
    ("options", "goal"),
    [
        ({}, None),
        ({"measure_quality": True}, QualityGoal()),
        ({"target_ssim": 0.97, "measure_quality": True}, QualityGoal(target=0.97)),
        ({"target_xpsnr": 40.0}, QualityGoal(metric="xpsnr", target=40.0)),
    ],
)
def test_quality_is_measured_when_it_is_asked_for(options: Any, goal: QualityGoal | None) -> None:
    assert settle(Options(**options)).quality == goal


@pytest.mark.parametrize(
    "options",
    [
        {"target_ssim": 0.5},
        {"target_xpsnr": 10.0},
        {"target_xpsnr": 40.0, "target_ssim": 0.97},
        {"profile": "original", "target_xpsnr": 40.0},
        {"profile": "audio", "measure_quality": True},
    ],
)
def test_a_quality_that_cannot_be_is_refused(options: Any) -> None:
    with pytest.raises(InvalidOptionsError):
        settle(Options(**options))
