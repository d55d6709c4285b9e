"""WebVTT in segments (RFC 8216, 3.5) as one file. Pure."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

_CLOCK: Final = 90_000
_MOST_TICKS: Final = 1 << 34
_MAP: Final = re.compile(r"^X-TIMESTAMP-MAP=(.{1,100})$", re.MULTILINE)
_TICKS: Final = re.compile(r"MPEGTS:(\d{1,12})(?=,|$)")
_LOCAL: Final = re.compile(r"LOCAL:((?:\d{1,4}:)?\d{1,2}:\d{1,2}\.\d{3})(?=,|$)")
_TIME: Final = r"(?:\d{1,4}:)?\d{1,2}:\d{1,2}\.\d{3}"
_TIMING: Final = re.compile(rf"^({_TIME})([ \t]+-->[ \t]+)({_TIME})", re.MULTILINE)


def is_webvtt(text: str) -> bool:
    """Whether it begins as WebVTT does."""
    return text.removeprefix("\ufeff").startswith("WEBVTT")


def joined(segments: Sequence[str], *, mapped: bool = True) -> str:
    """Return all cues of segments as one file, their times as those of the first segment count.

    If it says where on the media's clock they lie, the file does, too: see `origin_s`. Unless they are
    `mapped`, it is left out what they say of that.
    A segment that is no WebVTT is left out.
    """
    bodies = []
    origins: list[Fraction | None] = []
    for segment in segments:
        if not is_webvtt(segment):
            continue
        head, body = _parts(segment)
        origins.append(_mapped(head) if mapped else None)
        by_s = (origins[-1] or 0) - (origins[0] or 0)
        bodies.append(_moved(body, round(by_s * 1000)).strip("\n"))
    first = origins[0] if origins else None
    head = "WEBVTT" if first is None else f"WEBVTT\n{_map_of(first)}"
    return "\n\n".join([head, *filter(None, bodies)]) + "\n"


def origin_s(text: str) -> Fraction | None:
    """Return what the media's clock (ISO/IEC 13818-1) shows at the file's 0, in seconds; None if unsaid."""
    return _mapped(_parts(text)[0]) if is_webvtt(text) else None


def _parts(text: str) -> tuple[str, str]:
    head, _, body = text.replace("\r\n", "\n").replace("\r", "\n").partition("\n\n")
    return head, body


def _map_of(offset: Fraction) -> str:
    ticks, local = max(Fraction(0), offset), max(Fraction(0), -offset)
    return f"X-TIMESTAMP-MAP=MPEGTS:{round(ticks * _CLOCK)},LOCAL:{_stamp(round(local * 1000))}"


def _mapped(head: str) -> Fraction | None:
    """Return seconds from a cue's time to the time of the media, if the head says it."""
    found = _MAP.search(head)
    ticks = _TICKS.search(found[1]) if found else None
    local = _LOCAL.search(found[1]) if found else None
    if ticks is None or local is None:
        return None
    return Fraction(int(ticks[1]) % _MOST_TICKS, _CLOCK) - Fraction(_ms(local[1]), 1000)


def _moved(body: str, by_ms: int) -> str:
    if not by_ms:
        return body
    return _TIMING.sub(
        lambda match: f"{_stamp(_ms(match[1]) + by_ms)}{match[2]}{_stamp(_ms(match[3]) + by_ms)}", body
    )


def _ms(time: str) -> int:
    *hours, minutes, seconds = time.split(":")
    whole, _, part = seconds.partition(".")
    return ((int(hours[0]) if hours else 0) * 3600 + int(minutes) * 60 + int(whole)) * 1000 + int(part)


def _stamp(time_ms: int) -> str:
    seconds, ms = divmod(max(0, time_ms), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"
