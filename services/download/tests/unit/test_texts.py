"""Text subtitles of a source's own streams, and of files beside it."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_common.contract.sidecars import CueSheet, decode_document
from cinelog_download.domain.cuesheets import MOST_CUES
from cinelog_download.domain.demuxing import Finished, Limits, Probed, TextFile, TextFound, TextPart
from cinelog_testkit.corpus.store import film
from cinelog_testkit.textsamples import text_init, text_sample, text_segment


def texts_in(told: list[Any]) -> list[tuple[TextFound, CueSheet]]:
    found = [message for message in told if isinstance(message, TextFound)]
    return [(text, decode_document(CueSheet, Path(text.path).read_bytes())) for text in found]


def times(sheet: CueSheet) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in sheet.cues]


def warnings(told: list[Any]) -> tuple[str, ...]:
    finished = told[-1]
    assert isinstance(finished, Finished)
    return finished.warnings


@pytest.mark.parametrize("step", [4096, 1 << 20])
def test_cues_count_from_the_first_picture_and_what_is_a_picture_is_left_out(
    media: Any, tmp_path: Path, step: int
) -> None:
    told = media.demux([film("subtitles.mkv")], tmp_path / "made", step=step, subtitles="all")

    (english, its), (german, others) = texts_in(told)
    assert (english.language, english.title, english.default, english.forced) == (
        "eng",
        "For all",
        True,
        False,
    )
    assert (german.language, german.default, german.forced, german.cues) == ("deu", False, True, 1)
    assert times(its) == [(500, 1400), (1000, 2000), (3500, 8400)]
    assert times(others) == [(400, 1900)]
    assert warnings(told) == ("1 subtitle track(s) are pictures (hdmv_pgs_subtitle) and are left out.",)


@pytest.mark.parametrize("wanted", ["none", "fr"])
def test_subtitles_that_nobody_wants_do_not_make_a_film_look_cut_off(
    media: Any, tmp_path: Path, wanted: str
) -> None:
    told = media.demux([film("subtitles.mkv")], tmp_path / "made", subtitles=wanted)

    assert texts_in(told) == []
    assert isinstance(told[-1], Finished)


def test_a_look_says_which_streams_would_be_used(media: Any, tmp_path: Path) -> None:
    told = media.demux([film("subtitles.mkv")], tmp_path / "made", subtitles="de", probe=True)

    probed = next(message for message in told if isinstance(message, Probed))
    texts = [(seen.codec, seen.used) for seen in probed.streams if seen.kind == "subtitle"]
    assert texts == [("subrip", False), ("ass", True), ("hdmv_pgs_subtitle", False)]


def test_tracks_beyond_the_limit_are_left_out_with_a_warning(media: Any, tmp_path: Path) -> None:
    told = media.demux([film("subtitles.mkv")], tmp_path / "made", subtitles="all", limits=Limits(texts=1))

    assert [text.language for text, _ in texts_in(told)] == ["eng"]
    assert "Of 2 subtitle tracks only 1 are used." in warnings(told)


def test_timed_text_comes_from_a_film_that_is_passed_through(media: Any, tmp_path: Path) -> None:
    told = media.demux([film("subtitles.mp4")], tmp_path / "made", subtitles="all", video="copy")

    [(text, sheet)] = texts_in(told)
    assert text.language == "eng"
    assert [(cue.start_ms, cue.text) for cue in sheet.cues[:2]] == [
        (1100, "<i>Hello</i> &amp; welcome"),
        (1600, "Two at once --&gt; here"),
    ]


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (
            "srt",
            b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:09,000 --> 00:00:03,000\nback in time\n",
        ),
        ("vtt", b"WEBVTT\n\nNOTE none\n\n00:01.000 --> 00:02.000 align:start\nHello\n\nnonsense\n"),
        (
            "ass",
            b"[Events]\nFormat: Start, End, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Hello\n",
        ),
        ("srt", "\ufeff1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n".encode("utf-16")),
    ],
)
def test_files_beside_a_film_are_read_as_far_as_they_make_sense(
    media: Any, tmp_path: Path, form: str, data: bytes
) -> None:
    path = tmp_path / f"beside.{form}"
    path.write_bytes(data)

    told = media.demux([], tmp_path / "made", texts=(TextFile(path=str(path), form=form, language="eng"),))

    [(_, sheet)] = texts_in(told)
    assert (times(sheet)[0], sheet.cues[0].text) == ((1000, 2000), "Hello")
    assert all(cue.text != "back in time" for cue in sheet.cues)


@pytest.mark.parametrize("form", ["srt", "vtt", "ass"])
@pytest.mark.parametrize("data", [b"", b"\0" * 4096, bytes(range(256)) * 64, b"<html>no</html>"])
def test_what_is_no_subtitle_file_is_warned_of_and_nothing_more(
    media: Any, tmp_path: Path, form: str, data: bytes
) -> None:
    path = tmp_path / f"beside.{form}"
    path.write_bytes(data)

    told = media.demux([], tmp_path / "made", texts=(TextFile(path=str(path), form=form, language="eng"),))

    assert texts_in(told) == []
    [warning] = warnings(told)
    assert warning.startswith("The subtitles in eng ")


def test_a_file_with_very_many_cues_is_cut_and_says_so(media: Any, tmp_path: Path) -> None:
    path = tmp_path / "beside.srt"
    line = "{}\n00:{:02d}:{:02d},{:03d} --> 00:59:59,999\nx\n\n"
    many = (line.format(n, n // 60_000, n // 1000 % 60, n % 1000) for n in range(MOST_CUES + 10))
    path.write_text("".join(many))

    told = media.demux([], tmp_path / "made", texts=(TextFile(path=str(path), form="srt", language="eng"),))

    [(text, _)] = texts_in(told)
    assert text.cues <= MOST_CUES
    assert "too long" in warnings(told)[0]


def part(path: Path, data: bytes, **where: float) -> TextPart:
    path.write_bytes(data)
    return TextPart(path=str(path), **where)


def test_webvtt_in_mp4_is_read_with_each_cue_once(media: Any, tmp_path: Path) -> None:
    segments = (
        text_segment(1, 60_000, [(500, text_sample()), (1000, text_sample("<i>one</i>"))]),
        text_segment(2, 61_500, [(500, text_sample("<i>one</i>", "two")), (500, text_sample("two"))]),
    )
    data = text_init() + b"".join(segments)
    file = TextFile(
        path="", form="mp4", language="eng", forced=True, parts=(part(tmp_path / "0", data, origin_s=60.0),)
    )

    told = media.demux([], tmp_path / "made", texts=(file,))

    [(text, sheet)] = texts_in(told)
    assert (text.forced, text.hearing_impaired) == (True, False)
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in sheet.cues] == [
        (500, 2000, "<i>one</i>"),
        (1500, 2500, "two"),
    ]
    assert warnings(told) == ()


def test_parts_of_a_track_are_shown_where_they_belong(media: Any, tmp_path: Path) -> None:
    data = b"WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:05.000 --> 00:07.000\ntwo\n"
    parts = (
        part(tmp_path / "0", data, lasts_s=4.0),
        part(tmp_path / "1", b"WEBVTT\n", begins_s=4.0, lasts_s=2.0),
        part(tmp_path / "2", data, begins_s=6.0, origin_s=4.0),
    )

    # What a transport stream's clock shows is nothing to them.
    told = media.demux(
        [], tmp_path / "made", zero_s=3.0, texts=(TextFile(path="", form="vtt", language="eng", parts=parts),)
    )

    [(_, sheet)] = texts_in(told)
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in sheet.cues] == [
        (1000, 2000, "one"),
        (7000, 9000, "two"),
    ]


@pytest.mark.parametrize("form", ["vtt", "mp4"])
@pytest.mark.parametrize("data", [b"", b"\0" * 4096, bytes(range(256)) * 64, text_init()[:99], text_init()])
def test_a_part_that_is_broken_or_says_nothing_is_warned_of(
    media: Any, tmp_path: Path, form: str, data: bytes
) -> None:
    file = TextFile(path="", form=form, language="eng", parts=(part(tmp_path / "0", data),))

    told = media.demux([], tmp_path / "made", texts=(file,))

    assert texts_in(told) == []
    [warning] = warnings(told)
    assert warning.startswith("The subtitles in eng ")
