"""Text subtitles, from every kind of source to HLS, MP4 and files of their own."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_common.cmaf.hlsvalidation import validate
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.commands import Finished, cinelog
from cinelog_testkit.converting import converted
from cinelog_testkit.corpus.store import film
from cinelog_testkit.hosting import hosted
from cinelog_testkit.overlapping import begun
from cinelog_testkit.textsamples import text_init, text_sample, text_segment

ENGLISH = ["<i>Hello</i> &amp; welcome", "Two at once --&gt; here", "Beyond the end"]
ENDS_MS = 3841


def cues_of(text: str) -> list[tuple[str, str]]:
    """Return (times, text) of every cue, by the rules of WebVTT's file format."""
    head, *blocks = text.split("\n\n")
    assert head.startswith("WEBVTT")
    return [
        (block.split("\n", 1)[0], block.split("\n", 1)[1].rstrip("\n")) for block in blocks if block.strip()
    ]


def samples_of(path: Path) -> dict[str, list[tuple[int, int, bytes]]]:
    """Return what libavformat reads of every subtitle track that is not empty: ms, ms, text; by language."""
    found: dict[str, list[tuple[int, int, bytes]]] = {}
    with av.open(path) as container:
        for stream in container.streams.subtitles:
            assert stream.codec_context.codec.canonical_name == "mov_text"
            container.seek(0)
            found[stream.language or "und"] = [
                (round(packet.pts * packet.time_base * 1000), packet.duration, bytes(packet)[2:])
                for packet in container.demux(stream)
                if packet.pts is not None and packet.time_base is not None and packet.size > 2
            ]
    return found


LANGUAGES = {"de": ["deu"], "none": [], "fr": [], "all": ["eng", "deu"]}
CALLS = {
    "as it comes": (),
    "verified": ("--verify", "full"),
    **{wanted: ("--subs", wanted, "--container", "mp4") for wanted in LANGUAGES},
}
Made = dict[str, Future[Finished]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """What each call makes of one film with subtitles."""
    source = film("subtitles.mkv")
    calls = {
        name: partial(converted, source, tmp_path_factory.mktemp("subtitles") / "out", *words)
        for name, words in CALLS.items()
    }
    with begun(calls) as results:
        yield results


def test_subtitles_of_a_source_are_in_every_form_and_count_from_its_first_picture(made: Made) -> None:
    done = made["as it comes"].result()

    result = done.result
    assert [output["language"] for output in result["outputs"] if output["kind"] == "subtitles"] == [
        "eng",
        "deu",
    ]
    english, german = (Path(one["path"]) for one in result["outputs"] if one["kind"] == "subtitles")
    assert (english.name, german.name) == ("subtitles.eng.vtt", "subtitles.deu.vtt")
    assert cues_of(english.read_text()) == [
        ("00:00:00.500 --> 00:00:01.400", ENGLISH[0]),
        ("00:00:01.000 --> 00:00:02.000", ENGLISH[1]),
        ("00:00:03.500 --> 00:00:03.841", ENGLISH[2]),
    ]
    assert cues_of(german.read_text()) == [("00:00:00.400 --> 00:00:01.900", "<i>Hallo</i>\nWelt")]
    assert [one for one in result["warnings"] if "hdmv_pgs_subtitle" in one] == result["warnings"]
    assert len(result["warnings"]) == 1


def test_the_mp4_holds_a_track_of_timed_text_for_each_language(made: Made) -> None:
    done = made["verified"].result()

    found = samples_of(done.path("mp4"))
    assert [(start, lasts) for start, lasts, _ in found["eng"]] == [
        (500, 500),
        (1000, 400),
        (1400, 600),
        (3500, 341),
    ]
    assert found["eng"][1][2].startswith(b"Hello & welcome\nTwo at once --> here")
    assert [(start, lasts) for start, lasts, _ in found["deu"]] == [(400, 1500)]
    with av.open(done.path("mp4")) as container:
        first, second = container.streams.subtitles
        assert (bool(first.disposition & 1), bool(second.disposition & 1)) == (True, False)
        assert container.duration is not None
        assert container.duration / 1_000_000 == pytest.approx(ENDS_MS / 1000, abs=0.05)


def test_the_playlists_list_every_track_and_keep_the_standard(made: Made) -> None:
    done = made["as it comes"].result()

    folder = done.path("hls").parent
    texts = {path.name: path.read_text() for path in folder.glob("*.m3u8")}
    assert validate(texts) == []
    lines = [line for line in texts["master.m3u8"].split("\n") if "TYPE=SUBTITLES" in line]
    english, german = lines
    assert english.endswith('NAME="For all",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,URI="s0.m3u8"')
    assert german.endswith('NAME="deu",LANGUAGE="de",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI="s1.m3u8"')
    assert 'SUBTITLES="text"' in texts["master.m3u8"]
    assert f"#EXTINF:{float(Fraction(ENDS_MS, 1000)):.6f},\ns0/000000.vtt\n" in texts["s0.m3u8"]
    segment = (folder / "s0" / "000000.vtt").read_text()
    assert segment.startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n")
    assert [text for _, text in cues_of(segment)] == ENGLISH


@pytest.mark.parametrize(("wanted", "languages"), LANGUAGES.items())
def test_subtitles_are_chosen_by_language(made: Made, wanted: str, languages: list[str]) -> None:
    done = made[wanted].result()

    assert list(samples_of(done.path("mp4"))) == languages
    assert ("The source has no text subtitles in fr." in done.result["warnings"]) == (wanted == "fr")
    metadata = json.loads((done.path("mp4").parent / "subtitles.json").read_text())
    assert [one["language"] for one in metadata["subtitles"]] == languages


def test_timed_text_of_an_mp4_comes_through_a_copy_of_its_picture(convert: Any) -> None:
    done = convert(film("subtitles.mp4"), "--profile", "original", quick=False)

    found = samples_of(done.path("mp4"))
    assert [(start, lasts) for start, lasts, _ in found["eng"]] == [(1100, 500), (1600, 1000)]


def test_texts_of_a_dash_presentation_are_in_every_form_or_told_of(convert: Any, tmp_path: Path) -> None:
    picture = film("subtitles.mp4").read_bytes()
    kinds = {
        "en": ('mimeType="text/vtt"', b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"),
        "de": (
            'mimeType="application/mp4" codecs="wvtt"',
            text_init() + text_segment(1, 500, [(1000, text_sample("Hallo"))]),
        ),
        "fr": ('mimeType="application/ttml+xml"', b"<tt/>"),
    }
    with hosted(Origin()) as origin:
        sets = "".join(
            f'<AdaptationSet {kind} lang="{language}"><Representation id="{language}" bandwidth="1">'
            f"<BaseURL>{origin.serve('/' + language, data)}</BaseURL></Representation></AdaptationSet>"
            for language, (kind, data) in kinds.items()
        )
        manifest = (
            '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT4S"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="1">'
            f"<BaseURL>{origin.serve('/film.mp4', picture)}</BaseURL></Representation></AdaptationSet>"
            f"{sets}</Period></MPD>"
        )
        url = origin.serve("/film.mpd", manifest.encode(), Behaviour(content_type="application/dash+xml"))
        told = cinelog("run", url, "--out", tmp_path / "none", "--dry-run", "--json")
        done = convert(url)

    lost = (
        "The subtitles in fr are left out: They are TTML (application/ttml+xml), which Cinelog does not read."
    )
    assert lost in done.result["warnings"]
    assert lost in told.result["warnings"]
    assert told.result["source"]["subtitles"] == ["de", "en"]
    samples = samples_of(done.path("mp4"))
    assert samples["eng"][-1] == (1000, 1000, b"Hello")
    assert samples["deu"] == [(500, 1000, b"Hallo")]
    master = done.path("hls").read_text()
    assert [f'LANGUAGE="{one}"' in master for one in kinds] == [True, True, False]
