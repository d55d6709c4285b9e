"""Every kind of source through the whole pipeline, held against the source's own whole decode."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cinelog_testkit.corpus.painting import error_between
from cinelog_testkit.corpus.results import Corpus
from cinelog_testkit.corpus.sources import PICTURES, SOUNDS
from cinelog_testkit.corpus.viewing import Shown, pictures_of, sound_of
from cinelog_testkit.corpus.wishes import WISHES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLICK_TOLERANCE_S = 0.001
ROUNDED_CLICK_TOLERANCE_S = 0.002
"""Where the container rounds the sound's times to its own ticks."""
PIXEL_ERROR = 3.0
"""Of 256, the mean over a picture: what a constant quality of 8 costs."""
MORE_OR_LESS = {
    **dict.fromkeys(("interlaced-mpeg2.ts", "interlaced-mpeg2.mpg", "interlaced-h264.mp4"), 1.5),
    **dict.fromkeys(("yuv444.mp4", "rgb.mkv", "odd-size.mp4", "parameter-change.ts"), 4.0),
    **dict.fromkeys(("plain.ts as av1", "vfr.mp4 as webm"), 5.0),
}
"""Seams of a filter that lacks a neighbour show at 3; 4:2:0 blurs colours, another size all; others are not
encoded as well."""

WITHOUT_PICTURE = frozenset(name for name in SOUNDS if name.startswith(("sound-only", "cover")))
ENCODED = tuple(name for name in (*PICTURES, *SOUNDS) if name not in WITHOUT_PICTURE)
AS_IT_IS = tuple(name for name in WISHES if name.endswith("as it is") and not name.startswith("sound-only"))
OTHERS = tuple(
    name for name in WISHES if name.endswith((" as hevc", " as hls", " as ladder", " as webm", " as av1"))
)
AT_FIELD_RATE = tuple(name for name in WISHES if name.endswith(" at field rate"))
TONE_MAPPED = frozenset({"hdr10.mp4"})
OTHER_SIZE = frozenset({"parameter-change.ts"})
SPLICED = frozenset({"spliced.ts"})
NOT_SPLIT = frozenset(
    {
        "intra-refresh.mp4",
        "open-then-refresh.ts",
        "one-long-group.mp4",
        "one-group-of-minutes.mp4",
        "false-keyframes.mp4",
    }
)


def shown_by_source(corpus: Corpus, name: str, size: tuple[int, int] | None) -> list[Shown]:
    deinterlaced = None
    if name.startswith("interlaced"):
        deinterlaced = "send_field" if name in AT_FIELD_RATE else "send_frame"
    return pictures_of(corpus.source(name), deinterlaced=deinterlaced, size=size)


def times(pictures: list[Shown]) -> list[Fraction]:
    return [picture.at - pictures[0].at for picture in pictures]


def size_of(picture: Shown) -> tuple[int, int]:
    return picture.pixels.shape[1], picture.pixels.shape[0]


@pytest.mark.parametrize("name", [*ENCODED, *AS_IT_IS, *OTHERS])
def test_the_result_shows_exactly_the_pictures_of_the_source(corpus: Corpus, name: str) -> None:
    result = pictures_of(corpus.result(name))
    source = shown_by_source(corpus, name, size_of(result[0]))

    assert [picture.number for picture in result] == [picture.number for picture in source]
    assert None not in [picture.number for picture in result]
    if name in SPLICED:
        assert times(result) == [Fraction(n, 24) for n in range(len(source))]
    elif name.endswith("webm"):
        # Matroska counts milliseconds.
        assert [float(at) for at in times(result)] == pytest.approx(
            [float(at) for at in times(source)], abs=0.001
        )
    else:
        assert times(result) == times(source)
        assert result[0].at == 0
    if name not in TONE_MAPPED:
        errors = [error_between(one.pixels, other.pixels) for one, other in zip(result, source, strict=True)]
        assert max(errors) < MORE_OR_LESS.get(name, PIXEL_ERROR), errors


@pytest.mark.parametrize("name", AT_FIELD_RATE)
def test_at_field_rate_the_result_shows_a_picture_of_every_field(corpus: Corpus, name: str) -> None:
    frames = pictures_of(corpus.source(name))
    whole = shown_by_source(corpus, name, None)

    result = pictures_of(corpus.result(name))

    assert times(result) == times(whole)
    assert len(result) == 2 * len(frames)
    assert set(np.diff(times(result))) == {Fraction(1, 50)}
    errors = [error_between(one.pixels, other.pixels) for one, other in zip(result, whole, strict=True)]
    assert max(errors) < MORE_OR_LESS["interlaced-mpeg2.ts"], errors
    [mp4] = [output for output in corpus.status(name).outputs if output.kind == "mp4"]
    assert mp4.frames == len(result)


@pytest.mark.parametrize("name", ENCODED)
def test_the_status_says_what_could_not_be_cut(corpus: Corpus, name: str) -> None:
    said = any("not split" in warning for warning in corpus.status(name).warnings)

    assert said == (name in NOT_SPLIT)


SOUND_FILMS = tuple(
    name
    for name in (*ENCODED, *AS_IT_IS, *OTHERS)
    if WISHES[name][0] not in {"no-sound.mp4", "single-frame.mp4", "single-frame.mkv"} | SPLICED
)


@pytest.mark.parametrize("name", SOUND_FILMS)
def test_the_sound_clicks_when_the_source_clicks(corpus: Corpus, name: str) -> None:
    path, source = corpus.result(name), corpus.source(name)
    zero = float(pictures_of(source)[0].at)
    for track in range(len(tracks_of(source, "audio"))):
        wanted = [at - zero for at in sound_of(source, track).clicks_s if at - zero > -CLICK_TOLERANCE_S]

        heard = sound_of(path, track).clicks_s

        tolerance = ROUNDED_CLICK_TOLERANCE_S if source.suffix in {".mkv", ".webm"} else CLICK_TOLERANCE_S
        assert heard == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("name", [*sorted(WITHOUT_PICTURE), "plain.mkv as audio", "sound-only.m4a as it is"])
def test_sound_alone_clicks_from_its_own_beginning(corpus: Corpus, name: str) -> None:
    source = sound_of(corpus.source(name))

    heard = sound_of(corpus.result(name, "audio"))

    wanted = [at - source.first_s for at in source.clicks_s]
    assert heard.clicks_s == pytest.approx(wanted, abs=CLICK_TOLERANCE_S)


@pytest.mark.parametrize("name", ["surround.mp4", "surround.mkv", "surround.mp4 as it is"])
def test_six_channels_stay_six(corpus: Corpus, name: str) -> None:
    assert sound_of(corpus.result(name)).channels == 6


@pytest.mark.parametrize("name", ["languages.mkv", "languages.mkv as it is"])
def test_every_language_comes_through(corpus: Corpus, name: str) -> None:
    path = corpus.result(name)

    assert [sound_of(path, track).language for track in range(2)] == ["eng", "deu"]
    assert [stream.language for stream in tracks_of(path, "video")] == ["fra"]


def tracks_of(path: Path, kind: str) -> list[Any]:
    with av.open(str(path)) as container:
        return [
            stream
            for stream in getattr(container.streams, kind)
            if not stream.disposition & av.stream.Disposition.attached_pic
        ]


def look(path: Path) -> dict[str, Any]:
    """What a player must know of the picture, from the container, the codec and its first picture."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        frame = next(container.decode(video=0))
        return {
            "aspect": stream.sample_aspect_ratio or Fraction(1),
            "rotation": frame.rotation,
            "colours": tuple(
                int(value)
                for value in (
                    context.color_range,
                    context.color_primaries,
                    context.color_trc,
                    context.colorspace,
                )
            ),
            "screen": {
                frame.side_data[at].type.name: bytes(frame.side_data[at])
                for at in range(len(frame.side_data))
                if frame.side_data[at].type.name in {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}
            },
            "format": frame.format.name,
        }


@pytest.mark.parametrize(
    "name", ["rotated-90.mp4", "rotated-180.mp4", "rotated-270.mp4", "rotated-90.mp4 as it is"]
)
def test_a_turned_picture_stays_turned(corpus: Corpus, name: str) -> None:
    rotation = look(corpus.source(name))["rotation"]

    assert rotation != 0
    assert look(corpus.result(name))["rotation"] % 360 == rotation % 360


@pytest.mark.parametrize("name", ["anamorphic.mp4", "anamorphic.mkv", "anamorphic.mp4 as it is"])
def test_pixels_keep_their_shape(corpus: Corpus, name: str) -> None:
    assert look(corpus.result(name))["aspect"] == Fraction(4, 3)


@pytest.mark.parametrize("name", ["full-range.mp4", "bt709.mp4", "bt601.mkv", "hdr10.mp4 as hevc"])
def test_colours_are_named_as_in_the_source(corpus: Corpus, name: str) -> None:
    assert look(corpus.result(name))["colours"] == look(corpus.source(name))["colours"]


@pytest.mark.parametrize("name", ["hdr10.mp4 as hevc", "hdr10.mp4 as it is"])
def test_the_screen_that_a_film_was_made_on_comes_through(corpus: Corpus, name: str) -> None:
    wanted = look(corpus.source(name))["screen"]

    screen = look(corpus.result(name))["screen"]

    assert len(wanted) == 2
    assert screen == wanted


@pytest.mark.parametrize("name", ["hdr10.mp4"])
def test_high_dynamic_range_becomes_ordinary_on_purpose(corpus: Corpus, name: str) -> None:
    path = corpus.result(name)

    assert look(path)["colours"] == (1, 1, 1, 1)
    assert look(path)["format"] == "yuv420p"
    assert np.mean([picture.pixels.mean() for picture in pictures_of(path)]) > 40


@pytest.mark.parametrize("name", ["titled.mp4"])
def test_a_film_is_called_as_its_tags_say(corpus: Corpus, name: str) -> None:
    path = corpus.result(name)

    assert corpus.status(name).title == "A fine film"
    assert "A fine film" in path.name
    with av.open(str(path)) as container:
        assert container.metadata["title"] == "A fine film"
        assert container.metadata["artist"] == "Nobody"
