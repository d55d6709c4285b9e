"""What cutting the picture holds in memory, and what it promises before a cut is proven."""

import weakref
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_download.children import decoding
from cinelog_download.children import picture as picture_module
from cinelog_download.children import window as window_module
from cinelog_download.children.picture import Picture, Shape
from cinelog_download.children.units import Stretch
from cinelog_download.children.window import Window
from cinelog_download.domain.cutting import CutPolicy
from cinelog_fastio import DISCARD, KEYFRAME, Packet, StreamParameters
from cinelog_testkit.corpus.films import Film, write_film

GRAY = StreamParameters(
    codec="rawvideo",
    extradata=b"",
    time_base=(1, 25),
    attributes={"width": 16, "height": 16, "pix_fmt": "gray"},
    side_data=(),
)
OPEN = {"preset": "ultrafast", "x264-params": "bframes=3:scenecut=0:b-adapt=0:open-gop=1"}
REFRESH = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=20"}
INTERLACED = {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:scenecut=0"}


class Read(Packet, frozen=True, kw_only=True, gc=True, weakref=True):
    """A packet that was read back, or made for one purpose alone."""


class Gauge:
    """How many packets of those that were read are in memory at once."""

    def __init__(self) -> None:
        self._alive: set[weakref.ref[Read]] = set()
        self.most = 0

    def watch(self, packet: Packet) -> Packet:
        """Return the packet as one whose life is watched."""
        read = Read(**msgspec.structs.asdict(packet))
        self._alive.add(weakref.ref(read, self._alive.discard))
        self.most = max(self.most, len(self._alive))
        return read


@pytest.fixture
def spooled(monkeypatch: pytest.MonkeyPatch) -> Gauge:
    """Let every packet wait on disk, so that whatever is read back is watched."""
    gauge, whole = Gauge(), Window._whole
    monkeypatch.setattr(window_module, "MEMORY_BYTES", 0)
    monkeypatch.setattr(Window, "_whole", lambda self, *which: gauge.watch(whole(self, *which)))
    return gauge


@pytest.mark.parametrize("options", [OPEN, INTERLACED])
def test_proving_and_counting_hold_few_packets_however_long_a_unit_is(
    films: Any, media: Any, spooled: Gauge, options: dict[str, str]
) -> None:
    for frames in (48, 240):
        path = films.make(f"film-{frames}.ts", media.Film(options=options, frames=frames, audio="mp2"))

        told = media.demux([path], path.with_suffix(""), segment_s=frames / 24)

        assert max(unit.frames for unit in media.units(told)) >= frames // 3
        assert 0 < spooled.most < 12


def test_what_would_take_too_long_to_prove_is_not_cut_and_stays_exact(
    films: Any, media: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = films.make("open.mkv", media.Film(options=OPEN))
    monkeypatch.setattr(picture_module, "MOST_BYTES", 1000)

    told = media.demux([path], tmp_path)

    assert len(media.units(told)) == 1
    assert any("is not split there" in warning for warning in told[-1].warnings)
    assert media.in_units(told) == media.whole(path)


@pytest.mark.parametrize(("held_s", "keys"), [(60, 12), (0, 400)])
def test_pictures_that_stay_together_are_worth_a_word_and_one_that_is_held_is_not(
    media: Any, tmp_path: Path, held_s: int, keys: int
) -> None:
    times = tuple(40 * n + (1000 * held_s if n >= 30 else 0) for n in range(400))
    refresh = f"keyint={keys}:min-keyint=1:scenecut=0:intra-refresh={int(not held_s)}"
    options = {"preset": "ultrafast", "x264-params": refresh}
    film = Film(times=times, time_base=Fraction(1, 1000), options=options, voices=())
    path = write_film(tmp_path / "film.mp4", film)

    told = media.demux([path], tmp_path / "made", segment_s=1.0)

    assert any("no keyframe for long" in warning for warning in told[-1].warnings) == (not held_s)


def test_the_beginning_of_a_long_interlaced_unit_tells_how_its_pictures_are_counted(
    films: Any, media: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = films.make("interlaced.ts", media.Film(options=INTERLACED, frames=96, audio="mp2"))
    counted: list[int] = []
    count = decoding.count_pictures

    def counting(parameters: Any, packets: Any, start: int, end: int) -> int:
        counted.append(len(packets))
        return count(parameters, packets, start, end)

    monkeypatch.setattr(decoding, "count_pictures", counting)
    monkeypatch.setattr(picture_module, "MOST_BYTES", path.stat().st_size // 8)

    told = media.demux([path], tmp_path, segment_s=60.0)

    assert len(counted) == 1
    assert 1 <= counted[0] < 48
    assert media.in_units(told) == media.whole(path)


def test_no_cut_comes_before_what_was_said_when_another_one_was_refused(
    films: Any, media: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = films.make("refreshing.mkv", media.Film(options=REFRESH, frames=96, keyint=20))
    add = Picture.add
    floors: list[int] = []
    early: list[int] = []

    def watched(self: Picture, packet: Packet, *, forced: bool = False) -> None:
        before = len(self.cuts)
        add(self, packet, forced=forced)
        early.extend(cut for cut in self.cuts[before:] if cut < max(floors, default=0))
        floors.append(self.floor)

    monkeypatch.setattr(Picture, "add", watched)

    told = media.demux([path], tmp_path)

    assert any("cannot be decoded on their own" in warning for warning in told[-1].warnings)
    assert len(media.units(told)) > 1
    assert early == []
    assert floors == sorted(floors)


class NoWriter:
    """Writes nothing."""

    def write(self, unit: Stretch, window: Window) -> None:
        """Leave it."""


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Picture:
    """One that may hold 1000 bytes until it knows what is shown first."""
    monkeypatch.setattr(picture_module, "_LARGEST_PRELUDE", 1000)
    shape = Shape(policy=CutPolicy(target=100), parameters=GRAY, frame_ticks=1, folder=str(tmp_path))
    return Picture(shape, NoWriter())


def test_a_keyframe_is_not_waited_for_with_more_in_memory_than_is_allowed(picture: Picture) -> None:
    zeros = []
    for n in range(5):
        picture.add(Packet(data=bytes(256), pts=7 + n, dts=7 + n, duration=1))
        zeros.append(picture.zero)

    assert zeros == [None, None, None, 7, 7]


def test_pictures_that_are_shown_long_after_they_are_decoded_do_not_pile_up(picture: Picture) -> None:
    for n in range(5):
        picture.add(Packet(data=bytes(256), pts=10**9 + n, dts=n, duration=1, flags=KEYFRAME))

    assert picture.zero == 10**9


def test_of_what_is_never_shown_only_the_last_group_is_held(picture: Picture) -> None:
    gauge = Gauge()

    for n in range(40):
        flags = DISCARD | (KEYFRAME if n % 3 == 0 else 0)
        picture.add(gauge.watch(Packet(data=bytes(256), pts=n, dts=n, duration=1, flags=flags)))
    picture.add(Packet(data=bytes(256), pts=40, dts=40, duration=1))

    assert gauge.most <= 8
    assert picture.zero == 40


def test_pictures_are_counted_as_encoders_see_them_and_no_packet_is_kept() -> None:
    gauge, times = Gauge(), [0, 1, 2, 2, 1, 3, 4, 5]
    packets = (
        gauge.watch(Packet(data=bytes(256), pts=pts, dts=n, flags=DISCARD * (pts == 4)))
        for n, pts in enumerate(times)
    )

    assert decoding.count_pictures(GRAY, packets, 1, 6) == 4
    assert gauge.most <= 3
