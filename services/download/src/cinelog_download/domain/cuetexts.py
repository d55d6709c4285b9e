"""The text of one cue, from what its codec calls text to WebVTT with b, i and u only: nothing raises."""

import html
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

MOST_BYTES: Final = 1 << 14
"""Of one packet; what is behind is not read."""
MOST_CHARS, MOST_LINES = 2000, 20
SAMPLES: Final = "wvtt"
"""What this calls WebVTT in MP4, whose packets hold any number of cues: see `payloads`."""

Run = tuple[str, str]
"""Text, and which of b, i and u it is."""

_MARKUP: Final = re.compile(r"<(/?)([a-zA-Z]+)((?:[\s.][^<>]*)?)>|<\d[\d:.]*>|\{\\[^{}]*\}")
_OVERRIDE: Final = re.compile(r"\{([^{}]*)\}")
_SWITCH: Final = re.compile(r"\\(?:([biu])(\d{0,3})(?=\\|$)|p(\d)(?=\\|$)|(r))")
_ESCAPE: Final = re.compile(r"\\([Nnh])")
_ESCAPES: Final = MappingProxyType({"N": "\n", "n": "\n", "h": "\u00a0"})
_ASS_FIELDS: Final = 8
"""Before the text, in what libavformat hands out: ReadOrder, Layer, Style, Name, margins, Effect."""
_MOST_STYLES: Final = 200
_STYLE_BYTES: Final = 12
_FACES: Final = (("b", 1), ("i", 2), ("u", 4))
_KEPT: Final = frozenset("\n\t")


def cue_text(codec: str, data: bytes) -> str:
    """Return what a packet of `codec` shows, empty if that is nothing."""
    read = _READERS.get(codec)
    return "" if read is None else _written(read(data[:MOST_BYTES]))


def payloads(sample: bytes) -> list[bytes]:
    """Return the text of each cue in a sample of WebVTT in MP4 (ISO/IEC 14496-30), as WebVTT has it."""
    return [
        payload
        for kind, cue in _boxes(sample[:MOST_BYTES])
        if kind == b"vttc"
        for inner, payload in _boxes(cue)
        if inner == b"payl"
    ]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += max(size, 8)


def is_text(codec: str) -> bool:
    """Whether cues of `codec` can be read."""
    return codec in _READERS


def decoded(data: bytes) -> str:
    """Return text in UTF-8, its broken bytes replaced."""
    return data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\x00", "")


def _subrip(data: bytes) -> list[Run]:
    return _tagged(decoded(data), unescape=lambda text: text)


def _webvtt(data: bytes) -> list[Run]:
    return _tagged(decoded(data), unescape=html.unescape)


def _tagged(text: str, *, unescape: Callable[[str], str]) -> list[Run]:
    runs: list[Run] = []
    at, style = 0, ""
    for match in _MARKUP.finditer(text):
        runs.append((unescape(text[at : match.start()]), style))
        at = match.end()
        name = (match[2] or "").lower()
        if name in {"b", "i", "u"}:
            style = _switched(style, name, on=not match[1])
        elif name == "br":
            runs.append(("\n", style))
    return [*runs, (unescape(text[at:]), style)]


def _switched(style: str, name: str, *, on: bool) -> str:
    return "".join(sorted({*style} | {name} if on else {*style} - {name}))


def _ass(data: bytes) -> list[Run]:
    fields = decoded(data).split(",", _ASS_FIELDS)
    if len(fields) <= _ASS_FIELDS:
        return []
    text = fields[_ASS_FIELDS]
    runs: list[Run] = []
    at, style, draws = 0, "", False
    for match in _OVERRIDE.finditer(text):
        runs += [] if draws else [(_ass_lines(text[at : match.start()]), style)]
        at = match.end()
        for switch in _SWITCH.finditer(match[1]):
            if switch[4]:
                style = ""
            elif switch[3]:
                # \p1 and above: what follows is a drawing.
                draws = switch[3] != "0"
            else:
                style = _switched(style, switch[1], on=switch[2] not in {"", "0"})
    return runs if draws else [*runs, (_ass_lines(text[at:]), style)]


def _ass_lines(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], text)


def _timed_text(data: bytes) -> list[Run]:
    """3GPP TS 26.245, 5.17: a length, text in UTF-8 or UTF-16, and boxes."""
    if len(data) < 2:
        return []
    size = struct.unpack_from(">H", data)[0]
    raw, boxes = data[2 : 2 + size], data[2 + size :]
    wide = raw[:2] in {b"\xfe\xff", b"\xff\xfe"}
    text = raw.decode("utf-16", "replace") if wide else raw.decode("utf-8", "replace")
    styles = list(_styles(boxes))
    edges = sorted(
        {0, len(text), *(min(edge, len(text)) for start, end, _ in styles for edge in (start, end))}
    )
    return [
        (text[start:end], "".join(name for name, bit in _FACES if _face(styles, start) & bit))
        for start, end in pairwise(edges)
    ]


def _face(styles: list[tuple[int, int, int]], at: int) -> int:
    return next((face for start, end, face in styles if start <= at < end), 0)


def _styles(boxes: bytes) -> Iterator[tuple[int, int, int]]:
    for kind, box in _boxes(boxes):
        if kind == b"styl" and len(box) >= 2:
            count, body = struct.unpack_from(">H", box)[0], box[2:]
            for number in range(min(count, _MOST_STYLES, len(body) // _STYLE_BYTES)):
                start, end, _, face = struct.unpack_from(">HHHB", body, number * _STYLE_BYTES)
                yield start, end, face


def _written(runs: list[Run]) -> str:
    """Return runs as cue text (WebVTT 4.2.2): no blank line, nothing that could end the cue."""
    cells = [(char, style) for text, style in runs for char in _plain(text)]
    lines: list[list[tuple[str, str]]] = [[]]
    for cell in cells[:MOST_CHARS]:
        if cell[0] == "\n":
            lines.append([])
        else:
            lines[-1].append(cell)
    kept = [line for line in map(_stripped, lines) if line][:MOST_LINES]
    return "\n".join(map(_line, kept))


def _plain(text: str) -> str:
    lined = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in lined if char.isprintable() or char in _KEPT or _is_mark(char)).replace(
        "\t", " "
    )


def _is_mark(char: str) -> bool:
    """Spaces of all kinds, joiners and marks of direction, which scripts need."""
    return char in "\u00a0\u200b\u200c\u200d\u200e\u200f\u2003\u3000" or "\u2066" <= char <= "\u2069"


def _stripped(line: list[tuple[str, str]]) -> list[tuple[str, str]]:
    while line and line[-1][0].isspace():
        line = line[:-1]
    while line and line[0][0].isspace():
        line = line[1:]
    return line


def _line(line: list[tuple[str, str]]) -> str:
    pieces, before = [], ""
    for char, style in [*line, ("", "")]:
        if style != before:
            pieces += [f"</{name}>" for name in reversed(before)] + [f"<{name}>" for name in style]
            before = style
        pieces.append(html.escape(char, quote=False))
    return "".join(pieces)


_READERS: Final[Mapping[str, Callable[[bytes], list[Run]]]] = MappingProxyType(
    {
        "subrip": _subrip,
        "text": _subrip,
        "webvtt": _webvtt,
        SAMPLES: _webvtt,
        "ass": _ass,
        "mov_text": _timed_text,
    }
)
