"""Generated films, and an input that arrives bit by bit."""

import asyncio
import math
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import msgspec
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from cinelog_common.contract.values import AudioRecipe
from cinelog_common.errors import TransientError
from cinelog_download.children import decoding
from cinelog_download.children.demuxing import Demuxing
from cinelog_download.domain.answers import Validator
from cinelog_download.domain.demuxing import DemuxOrder, Extent, InputFile, Needed, Told, UnitCut
from cinelog_download.domain.splices import Splice
from cinelog_fastio import BundleReader

RATE = 48_000
CLOSED = {"preset": "ultrafast", "x264-params": "bframes=2:scenecut=0:b-adapt=0:cabac=0"}
OPEN = {"preset": "ultrafast", "x264-params": "bframes=3:scenecut=0:b-adapt=0:open-gop=1"}
X265 = "bframes=3:scenecut=0:b-adapt=0:open-gop=1:keyint=12:log-level=none"


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """What to generate: `frames` pictures of noise that moves, with clicks for sound."""

    frames: int = 48
    rate: int = 24
    codec: str = "libx264"
    options: dict[str, str] = msgspec.field(default_factory=lambda: CLOSED)
    keyint: int = 12
    size: tuple[int, int] = (64, 48)
    audio: str = "aac"
    layout: str = "stereo"
    sound_s: float | None = None
    sound_from_s: float = 0.0
    picture_from: int = 0
    times: Callable[[int], int] | None = None
    time_base: Fraction | None = None
    container: dict[str, str] = {}
    format: str | None = None
    rotation: int = 0


class FilmMaker:
    """Writes films below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self, name: str, film: Film | None = None) -> Path:
        film = film or Film()
        path = self._folder / name
        with av.open(str(path), "w", format=film.format, container_options=film.container) as container:
            video = (
                container.add_stream(film.codec, rate=film.rate, options=dict(film.options))
                if film.frames
                else None
            )
            audio = container.add_stream(film.audio, rate=RATE, layout=film.layout) if film.audio else None
            if video is not None:
                video.width, video.height = film.size
                video.pix_fmt = "yuv420p"
                video.gop_size = film.keyint
                video.codec_context.thread_count = 1
                if film.time_base:
                    video.codec_context.time_base = film.time_base
                if film.rotation:
                    video.set_display_rotation(film.rotation)
            _mux(container, video, audio, film)
        return path


def _mux(container: Any, video: Any, audio: Any, film: Film) -> None:
    seconds = film.sound_s if film.sound_s is not None else film.frames / film.rate
    sounds = _clicks(seconds, film) if audio is not None else iter(())
    heard = 0.0
    base = film.time_base or Fraction(1, film.rate)
    for n in range(film.frames):
        frame = picture(n, film.size)
        step = film.times(n) if film.times else n * round(1 / (film.rate * base))
        frame.pts, frame.time_base = step + film.picture_from, base
        container.mux(video.encode(frame))
        while audio is not None and heard <= n / film.rate and (sound := next(sounds, None)):
            heard += sound.samples / RATE
            container.mux(audio.encode(sound))
    for sound in sounds:
        container.mux(audio.encode(sound))
    for stream in (video, audio):
        if stream is not None:
            container.mux(stream.encode(None))


def picture(n: int, size: tuple[int, int]) -> VideoFrame:
    frame = VideoFrame(*size, "yuv420p")
    for at, plane in enumerate(frame.planes):
        state = 12345 + at
        data = bytearray(plane.buffer_size)
        for i in range(0, len(data), 3):
            state = (1103515245 * state + 12345) & 0x7FFFFFFF
            data[i] = (state >> 16) % 64 + (n * 5 + i) % 128
        plane.update(bytes(data))
    return frame


def _clicks(seconds: float, film: Film) -> Any:
    """A click of 2 ms each half second, in a quiet tone."""
    frame_size = 960 if film.audio == "libopus" else 1024
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[film.layout]
    first = round(film.sound_from_s * RATE)
    end = round(seconds * RATE)
    for start in range(0, end, frame_size):
        samples = []
        stop = min(start + frame_size, end)
        for n in range(start, stop):
            loud = 0.9 if n % (RATE // 2) < 96 else 0.0
            samples.append(loud * math.sin(n * 2 * math.pi * 4000 / RATE) + 0.001 * math.sin(n / 50))
        packed = struct.pack(f"<{stop - start}f", *samples)
        frame = AudioFrame("fltp", film.layout, stop - start)
        for plane in frame.planes[:channels]:
            plane.update(packed.ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, first + start, Fraction(1, RATE)
        yield frame


def demux(
    paths: list[Path],
    folder: Path,
    *,
    step: int = 4096,
    known: bool = True,
    arrived: list[int] | None = None,
    **order: Any,
) -> list[Told]:
    """Take files apart as if they arrived `step` bytes at a time.

    `arrived` gets for each message how far the reading had come.
    """
    sizes = [path.stat().st_size for path in paths]
    told: list[Told] = []
    folder.mkdir(parents=True, exist_ok=True)

    furthest = 0

    def tell(message: Told) -> None:
        told.append(message)
        if arrived is not None:
            arrived.append(furthest)

    def ask(needed: Needed) -> Extent:
        nonlocal furthest
        furthest = max(furthest, needed.start)
        size = sizes[needed.input]
        if needed.start >= size:
            return Extent(end=size, size_bytes=size)
        return Extent(end=min(needed.start + step, size))

    inputs = tuple(
        InputFile(path=str(path), size_bytes=size if known else None)
        for path, size in zip(paths, sizes, strict=True)
    )
    order.setdefault("audio", AudioRecipe())
    order.setdefault("segment_s", 1.0)
    order.setdefault("max_segment_s", 2.0)
    Demuxing(DemuxOrder(job="job", run=1, inputs=inputs, folder=str(folder), **order), ask, tell).run()
    return told


def whole(path: Path) -> dict[int, bytes]:
    """Decode a file whole, and return a hash of every picture by its time from the first one."""
    found: dict[int, bytes] = {}
    discarded: set[int | None] = set()
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.is_discard:
                discarded.add(packet.pts)
            for frame in packet.decode():
                if frame.pts not in discarded:
                    assert frame.pts is not None
                    found[frame.pts] = decoding.picture_hash(frame)
    zero = min(found)
    if list(found) == sorted(found):
        return {pts - zero: digest for pts, digest in found.items()}
    # Only times of decoding: pictures are shown in the order in which they come, a step apart.
    steps = sorted(found)
    return {pts - zero: digest for pts, digest in zip(steps, found.values(), strict=True)}


def in_order(path: Path) -> list[bytes]:
    """Decode a file whole, and return a hash of every picture in the order of showing."""
    with av.open(str(path)) as container:
        return [decoding.picture_hash(frame) for frame in container.decode(video=0)]


def units(told: list[Any]) -> list[UnitCut]:
    return [message for message in told if isinstance(message, UnitCut)]


def in_units(told: list[Any]) -> dict[int, bytes]:
    """Decode every bundle on its own, and return a hash of every picture it owns."""
    found: dict[int, bytes] = {}
    for unit in units(told):
        with BundleReader.open(unit.path) as reader:
            pictures = decoding.pictures(reader.parameters, list(reader))
        own = {pts: digest for pts, digest in pictures.items() if unit.start <= pts < unit.end}
        assert len(own) == unit.frames
        found.update(own)
    return found


class TricklingFetch:
    """An input that arrives by `step` bytes per request, out of a file that is whole."""

    def __init__(self, path: Path, *, step: int = 4096, size_known: bool = True) -> None:
        self.path = path
        self._whole = path.stat().st_size
        self._step = step
        self.size = self._whole if size_known else None
        self.accepts_ranges = True
        self.splices: tuple[Splice, ...] = ()
        self.bytes_fetched = 0
        self.validator = Validator(etag='"1"')
        self.waits = 0
        self.fails_after: int | None = None
        self.error: Exception = TransientError("the line is cut")
        self.closed = False
        self.there: set[int] = set()

    @property
    def complete(self) -> "asyncio.Future[None]":
        raise NotImplementedError

    def available(self, start: int, length: int) -> bool:
        stop = min(start + length, self._whole)
        return all(block in self.there for block in range(start // self._step, -(-stop // self._step)))

    async def wait_for(self, start: int, length: int) -> None:
        self.waits += 1
        await asyncio.sleep(0)
        if self.fails_after is not None and self.waits > self.fails_after:
            raise self.error
        if start + length >= self._whole:
            self.size = self._whole
        stop = min(start + length, self._whole)
        self.there |= set(range(start // self._step, -(-stop // self._step)))
        self.bytes_fetched = min(self._whole, len(self.there) * self._step)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> FilmMaker:
    """Writes films."""
    return FilmMaker(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def media() -> SimpleNamespace:
    """What tests of media need: import mode importlib lets no test import its conftest."""
    return SimpleNamespace(
        Film=Film,
        OPEN=OPEN,
        CLOSED=CLOSED,
        X265=X265,
        RATE=RATE,
        demux=demux,
        whole=whole,
        in_order=in_order,
        units=units,
        in_units=in_units,
        TricklingFetch=TricklingFetch,
    )
