"""What the text of a cue becomes, whatever its codec and whatever is wrong with it."""

import html
import re
import struct

import pytest
from cinelog_download.domain.cuetexts import MOST_CHARS, MOST_LINES, cue_text, is_text, payloads
from cinelog_testkit.textsamples import text_sample
from hypothesis import given
from hypothesis import strategies as st

CODECS = ("subrip", "text", "webvtt", "ass", "mov_text")
ASS = b"0,0,Default,,0,0,0,,"


def styled(text: bytes, *faces: tuple[int, int, int]) -> bytes:
    entries = b"".join(struct.pack(">HHHBBI", start, end, 1, face, 12, 0) for start, end, face in faces)
    box = struct.pack(">I4sH", 10 + len(entries), b"styl", len(faces)) + entries
    return struct.pack(">H", len(text)) + text + box


@pytest.mark.parametrize(
    ("codec", "data", "text"),
    [
        ("subrip", b'<i>Hi</i> & <font color="red">all</font>', "<i>Hi</i> &amp; all"),
        ("subrip", b"one\r\n\r\n \r\ntwo", "one\ntwo"),
        ("subrip", b"{\\an8}a --> b", "a --&gt; b"),
        ("subrip", b"<b>open <i>both", "<b>open </b><b><i>both</i></b>"),
        ("subrip", b"2 < 3 and <3", "2 &lt; 3 and &lt;3"),
        ("subrip", b"\xff\xfe bad", "\ufffd\ufffd bad"),
        ("subrip", b"a\x00\x07\x1b[31mb", "a[31mb"),
        (
            "webvtt",
            b"<v Bob>Hi &lt;3 <b.loud>you</b></v><00:00:01.000> <c.k>all</c>",
            "Hi &lt;3 <b>you</b> all",
        ),
        ("webvtt", b"a&nbsp;b&rlm;", "a\u00a0b\u200f"),
        ("ass", ASS + b"{\\i1}Hallo{\\i0}\\NWelt, ja", "<i>Hallo</i>\nWelt, ja"),
        ("ass", ASS + b"{\\pos(1,2)\\b700}x{\\r}y{\\p1}m 0 0 l 9 9{\\p0}z", "<b>x</b>yz"),
        ("ass", b"no fields", ""),
        ("mov_text", styled(b"hello", (0, 2, 2), (2, 5, 5)), "<i>he</i><b><u>llo</u></b>"),
        ("mov_text", struct.pack(">H", 6) + "\ufeffhä".encode("utf-16-be"), "hä"),
        ("mov_text", b"\xff\xff", ""),
        ("hdmv_pgs_subtitle", b"hello", ""),
    ],
)
def test_text_becomes_what_webvtt_may_hold(codec: str, data: bytes, text: str) -> None:
    assert cue_text(codec, data) == text


def test_very_long_text_is_cut() -> None:
    many = cue_text("subrip", b"line\n" * 5000)
    long = cue_text("subrip", b"x" * 50_000)

    assert many == "\n".join(["line"] * MOST_LINES)
    assert long == "x" * MOST_CHARS


@given(st.sampled_from(CODECS), st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_whatever_comes_neither_ends_the_cue_nor_holds_markup_that_is_not_known(
    codec: str, data: bytes
) -> None:
    text = cue_text(codec, data)

    assert is_text(codec)
    assert "" not in text.split("\n") or text == ""
    assert "-->" not in text
    bare = re.sub(r"</?[biu]>", "", text)
    assert "<" not in bare
    assert html.escape(html.unescape(bare), quote=False) == bare
    opened: list[str] = []
    for end, name in re.findall(r"<(/?)([biu])>", text):
        if end:
            assert opened.pop() == name
        else:
            opened.append(name)
    assert opened == []


def test_a_sample_of_webvtt_in_mp4_holds_any_number_of_cues() -> None:
    assert payloads(text_sample("<i>one</i>", "two")) == [b"<i>one</i>", b"two"]
    assert payloads(text_sample()) == []


@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda data: text_sample("one")[:-9] + data))
def test_whatever_a_sample_holds_its_cues_can_be_read(sample: bytes) -> None:
    assert all(len(each) <= len(sample) for each in payloads(sample))
