"""Films with subtitles of every kind: text that becomes cues, and pictures that are left out."""

from fractions import Fraction
from pathlib import Path

import av

from cinelog_testkit.corpus.films import Film, Voice, write_film
from cinelog_testkit.corpus.surgery import ffmpeg

PLAIN = """1
00:00:01,100 --> 00:00:02,000
<i>Hello</i> & welcome

2
00:00:01,600 --> 00:00:02,600
Two at once --> here

3
00:00:04,100 --> 00:00:09,000
Beyond the end
"""
STYLED = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, Alignment
Style: Default,Arial,16,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.20,0:00:00.50,Default,,0,0,0,,Before the film
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\i1}Hallo{\i0}\NWelt{\p1}m 0 0 l 9 9{\p0}
"""
BEGINS_S = 0.6
"""Where the pictures begin, so that all cues are this much earlier in what is made of them."""


def with_texts(path: Path) -> None:
    """Write a film with SubRip, ASS and a track of pictures; its pictures begin at `BEGINS_S`."""
    times = tuple(n * 40 + round(BEGINS_S * 1000) for n in range(96))
    film = Film(times=times, time_base=Fraction(1, 1000), voices=(Voice(),))
    plain = _drafts(path, film)
    draft = path.with_name(f"{path.stem}.texts.mkv")
    ffmpeg(
        *("-copyts", "-i", plain, "-i", path.with_name("en.srt"), "-i", path.with_name("de.ass")),
        *("-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-avoid_negative_ts", "disabled"),
        *("-metadata:s:s:0", "language=eng", "-metadata:s:s:0", "title=For all"),
        *("-disposition:s:0", "default"),
        *("-metadata:s:s:1", "language=ger", "-disposition:s:1", "forced", draft),
    )
    _add_pictures(draft, path)


def with_timed_text(path: Path) -> None:
    """Write an MP4 with one track of 3GPP timed text."""
    plain = _drafts(path, Film())
    ffmpeg(
        *("-i", plain, "-i", path.with_name("en.srt"), "-map", "0", "-map", "1", "-c", "copy"),
        *("-c:s", "mov_text", "-metadata:s:s:0", "language=eng", path),
    )


def _drafts(path: Path, film: Film) -> Path:
    path.with_name("en.srt").write_text(PLAIN)
    path.with_name("de.ass").write_text(STYLED)
    return write_film(path.with_name(f"{path.stem}.plain.mkv"), film)


def _add_pictures(source: Path, path: Path) -> None:
    """Add a track of subtitles that are pictures."""
    with av.open(source) as film, av.open(path, "w") as out:
        copies = [out.add_stream_from_template(stream, opaque=True) for stream in film.streams]
        for copy, stream in zip(copies, film.streams, strict=True):
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition
        pictures = out.add_mux_stream("hdmv_pgs_subtitle")
        shown = av.Packet(b"\x80\x00\x00")
        shown.stream, shown.pts, shown.dts, shown.time_base = pictures, 1000, 1000, Fraction(1, 1000)
        waiting = [shown]
        for packet in film.demux():
            if packet.dts is None and packet.pts is None:
                continue
            while waiting and (packet.dts or 0) * packet.time_base > 1:
                out.mux(waiting.pop())
            packet.stream = copies[packet.stream_index]
            out.mux(packet)
