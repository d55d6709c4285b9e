"""Inputs as they are read: packets on one timeline, through all stretches that they are made of.

A stretch (an HLS discontinuity, a DASH period) has its own header and its own timestamps. The picture
decides where it lies: its first picture follows the last one before, and sound of the same stretch, also
in another input, moves by as much.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import av
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream
from cinelog_common.errors import PermanentError

from cinelog_download.children import probing, refusals
from cinelog_download.children.probing import Opened
from cinelog_download.domain.outliers import Outliers
from cinelog_download.domain.timeline import SPLICE_SKEW_S, Splices, StreamTimes

VIDEO = -1
"""The picture's role; sound tracks have their numbers."""
TEXT = -2
"""The first subtitle track's role; the others count down from here."""
Roles = Mapping[int, int]
"""What is made of the streams of an input, by their indexes."""
Reopen = Callable[[], "tuple[int, Opened] | None"]
"""Opens the next stretch and returns its number, or None behind the last one."""

_JUMPY = frozenset({"mpegts", "mpeg", "mpegtsraw"})
_TRUSTED_DURATIONS = frozenset({"mp4", "matroska"})
"""Containers that say how long they are; others leave it to guesses from the bit rate."""
_LONGEST_LEAD = 2000
"""Packets of a stretch that may come before its first picture."""


class Taken(NamedTuple):
    """A packet on the timeline, what it is for, and whether the film was spliced just before it."""

    packet: "av.Packet[Any]"
    role: int
    spliced: bool


class Way(NamedTuple):
    """How an input is read on: what opens the next stretch, and whether a broken one ends it quietly."""

    reopen: Reopen
    salvage: bool = False


class Bearings:
    """How far each stretch is moved on the one timeline that all inputs share.

    Attributes:
        shifts: Seconds, by the stretch's number.
        lead: The number of the stretch that the leading input has come to; None when that has ended.
    """

    def __init__(self) -> None:
        self.shifts: dict[int, Fraction] = {0: Fraction(0)}
        self.lead: int | None = 0


class Source:
    """One input that is being read.

    Attributes:
        reached_s: Where on the timeline it has come to, by the times of decoding.
        ended: Whether nothing more comes.
    """

    def __init__(self, opened: Opened, roles: Roles, *, bearings: Bearings, way: Way) -> None:
        self.opened = opened
        self.reached_s = Fraction(-1 << 40)
        self.ended = False
        self.leads = False
        self._bearings = bearings
        self._way = way
        self._broken = False
        self._text_end_s = Fraction(0)
        self._number = 0
        self._stretches = 1
        self._shift: Fraction | None = Fraction(0)
        self._ready: deque[Taken] = deque()
        self._ends: dict[int, Fraction] = {}
        self._bases: dict[int, Fraction] = {}
        self._spliced: set[int] = set()
        self._outliers = Outliers()
        self._enter(opened, roles)

    @property
    def waits(self) -> bool:
        """Whether its stretch has no place yet, and the leading input will give it one."""
        lead = self._bearings.lead
        return (
            self._shift is None
            and not self.leads
            and self._number not in self._bearings.shifts
            and lead is not None
            and lead < self._number
        )

    def next(self) -> Taken | None:
        """Return the next packet on the timeline; None if there is none, now or for good.

        Raises:
            PermanentError: DAMAGED, PROTECTED.
        """
        while not self._ready:
            if self.waits:
                return None
            packet = next(self._packets, None)
            if packet is not None:
                self._hold(packet)
            elif not self._begin_next():
                self.ended = True
                self._bearings.lead = None if self.leads else self._bearings.lead
                return None
        return self._ready.popleft()

    def check_whole(self) -> list[str]:
        """Compare what was read with what the container promised; return what looks odd but proves nothing.

        Raises:
            PermanentError: DAMAGED, with numbers.
        """
        odd = self._outliers.warnings()
        if self._broken:
            return [*odd, f"The source breaks off {self._progress()}: what comes before is delivered."]
        try:
            return [*odd, *self._checked_end()]
        except PermanentError as error:
            if not self._way.salvage:
                raise
            return [*odd, f"{error.message} What is there is delivered."]

    def _checked_end(self) -> list[str]:
        probing.check_end(self.opened)
        read = [stream for stream in self.opened.container.streams if stream.index in self._roles]
        total = self.opened.end_of(read) or self.opened.duration_s
        trusted = self.opened.layout.family in _TRUSTED_DURATIONS
        if total is None or not trusted or self.opened.file.in_pieces:
            return probing.odd_end(self.opened)
        # Some containers' durations count from their zero, others' from the first picture or sound.
        start = min(Fraction(0), Fraction(self.opened.container.start_time or 0, 1_000_000))
        # Subtitles may outlast the film, and containers count them in.
        if float(max(self.reached_s, self._text_end_s) - start) + max(2.0, total / 50) < total:
            raise refusals.damaged(f"it ends {self._progress()}")
        return []

    # One stretch.

    def _enter(self, opened: Opened, roles: Roles) -> None:
        splices = Splices()
        jumpy = opened.container.format.name in _JUMPY
        used = [stream for stream in opened.container.streams if stream.index in roles]
        self.opened = opened
        self._roles = dict(roles)
        self._times = {
            stream.index: StreamTimes(stream.time_base or Fraction(1, 90_000), splices, jumpy=jumpy)
            for stream in used
        }
        for stream in used:
            self._bases.setdefault(roles[stream.index], stream.time_base or Fraction(1, 90_000))
        self._waiting: list[tuple[av.Packet[Any], bool]] = []
        packets = self._read(used)
        steady = {index for index, role in roles.items() if role > TEXT}
        self._packets = self._outliers.steadied(packets, steady) if jumpy else packets

    def _read(self, used: "list[Stream]") -> "Iterator[av.Packet[Any]]":
        if not used:
            return
        try:
            for packet in self.opened.container.demux(*used):
                # An empty one is PyAV's sign for "flush the decoder".
                if packet.size or packet.dts is not None:
                    yield packet
        except av.error.FFmpegError as error:
            if not self._way.salvage:
                raise refusals.damaged(f"it breaks off {self._progress()}") from error
            self._broken = True

    def _hold(self, packet: "av.Packet[Any]") -> None:
        """Place a packet in its stretch, and on the timeline if it is known where that lies."""
        if packet.has_sidedata("encryption_info") or packet.has_sidedata("encryption_init_info"):
            raise refusals.protected()
        if self._roles[packet.stream_index] <= TEXT:
            self._hold_text(packet)
            return
        placed = self._times[packet.stream_index].place(
            packet.pts, packet.dts, packet.duration or 0, key=packet.is_keyframe
        )
        packet.pts, packet.dts = placed.pts, placed.dts
        if self._shift is None:
            self._waiting.append((packet, placed.spliced))
            self._shift = self._find_shift(packet)
            if self._shift is not None:
                waiting, self._waiting = self._waiting, []
                for each, spliced in waiting:
                    self._place(each, self._shift, spliced=spliced)
            return
        self._place(packet, self._shift, spliced=placed.spliced)

    def _hold_text(self, packet: "av.Packet[Any]") -> None:
        """Place a subtitle where its own time is: how far the input was read it does not tell."""
        role = self._roles[packet.stream_index]
        if packet.pts is not None and self._shift is not None:
            packet.pts += round(self._shift / packet.time_base)
            end = (packet.pts + max(0, packet.duration or 0)) * packet.time_base
            self._text_end_s = max(self._text_end_s, end)
            self._ready.append(Taken(packet, role, False))

    def _place(self, packet: "av.Packet[Any]", shift: Fraction, *, spliced: bool) -> None:
        role = self._roles[packet.stream_index]
        base, own = self._bases[role], packet.time_base
        if shift or base != own:
            packet.pts = None if packet.pts is None else round((packet.pts * own + shift) / base)
            packet.dts = None if packet.dts is None else round((packet.dts * own + shift) / base)
            packet.duration = round((packet.duration or 0) * own / base)
            packet.time_base = base
        at = packet.dts if packet.dts is not None else packet.pts
        if at is not None:
            self.reached_s = max(self.reached_s, at * base)
        shown = packet.pts if packet.pts is not None else packet.dts
        if shown is not None and not packet.is_discard:
            self._ends[role] = max(
                self._ends.get(role, self.reached_s), (shown + (packet.duration or 0)) * base
            )
        spliced = spliced or role in self._spliced
        self._spliced.discard(role)
        self._ready.append(Taken(packet, role, spliced))

    # From stretch to stretch.

    def _begin_next(self) -> bool:
        for packet, spliced in self._waiting:
            # Without any picture the sound of the stretch goes on where it was.
            self._place(packet, self._own_shift(self._waiting[0][0]), spliced=spliced)
        self._waiting = []
        if self._ready:
            return True
        if not self._way.salvage:
            probing.check_end(self.opened)
        found = self._way.reopen()
        if found is None:
            return False
        self._number, opened = found
        self._stretches += 1
        self._spliced = set(self._roles.values())
        self._shift = None
        if self.leads:
            self._bearings.lead = self._number
        self._enter(opened, _same_roles(self.opened, self._roles, opened))
        return True

    def _find_shift(self, packet: "av.Packet[Any]") -> Fraction | None:
        """Return how far the stretch is to be moved; None as long as its first picture is to come."""
        known = self._bearings.shifts.get(self._number)
        own = self._own_shift(packet)
        if not self.leads:
            # Sound that counts from another zero than the picture cannot be moved with it.
            return known if known is not None and abs(known - own) <= SPLICE_SKEW_S else own
        if known is None:
            sounds = [role for role in self._roles.values() if role >= 0]
            leading = VIDEO if VIDEO in self._roles.values() else min(sounds, default=VIDEO)
            if self._roles[packet.stream_index] != leading and len(self._waiting) < _LONGEST_LEAD:
                return None
            self._bearings.shifts[self._number] = known = own
        return known

    def _own_shift(self, packet: "av.Packet[Any]") -> Fraction:
        at = packet.pts if packet.pts is not None else packet.dts
        end = self._ends.get(self._roles[packet.stream_index], max(self._ends.values(), default=Fraction(0)))
        return end - (at or 0) * packet.time_base

    def _progress(self) -> str:
        total = self.opened.duration_s
        reached = max(0.0, float(self.reached_s))
        return f"after {reached:.1f} s" + (f" of {total:.1f} s" if total else "")


def _same_roles(before: Opened, roles: Roles, now: Opened) -> Roles:
    """Find the streams of another stretch that go on what those of `before` were.

    Raises:
        PermanentError: UNSUPPORTED_MEDIA: the picture is in another codec there.
    """
    found: dict[int, int] = {}
    for index, role in roles.items():
        stream = before.container.streams[index]
        if role <= TEXT:
            follower: Stream | None = _same_text(stream, now, found)
        elif role != VIDEO:
            follower = _same_sound(before, stream, now, found)
        else:
            follower = now.video
            _check_codec(stream, now.video)
        if follower is not None:
            found[follower.index] = role
    return found


def _check_codec(before: Any, now: VideoStream | None) -> None:
    names = [each.codec_context.codec.canonical_name for each in (before, now) if each is not None]
    if len(set(names)) > 1:
        raise refusals.unsupported(f"its picture changes from {names[0]} to {names[1]} in the middle")


def _same_sound(before: Opened, stream: Stream, now: Opened, taken: Mapping[int, int]) -> AudioStream | None:
    """Prefer the language, then the place among the sound tracks."""
    place = [each.index for each in before.audios].index(stream.index)
    free = [each for each in now.audios if each.index not in taken]
    alike = [each for each in free if each.language == stream.language]
    if len(alike) == 1:
        return alike[0]
    return next((each for at, each in enumerate(now.audios) if at == place and each in free), None)


def _same_text(stream: Stream, now: Opened, taken: Mapping[int, int]) -> Stream | None:
    free = [each for each in now.texts if each.index not in taken]
    return next((each for each in free if each.language == stream.language), None)
