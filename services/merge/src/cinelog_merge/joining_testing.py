"""A small encoded run in an object store, a joiner that only writes names, and what every joiner promises."""

# ruff: noqa: D102 - the tests' names are sentences
import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from pathlib import Path

import msgspec
import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.initinfo import init_info, parameter_hash
from cinelog_common.cmaf.testing import EncodedTrack, Interval, encode_clicks, encode_video, steady
from cinelog_common.contract import keys
from cinelog_common.contract.commands import Extent
from cinelog_common.contract.events import Event
from cinelog_common.contract.sidecars import SegmentPart, Sidecar
from cinelog_common.contract.values import Recipe, Rendition, Track
from cinelog_common.errors import CinelogError, PermanentError
from cinelog_common.objects.ports import ObjectStore
from cinelog_fastio import checksum
from msgspec.structs import replace

from cinelog_merge.domain.presentation import Piece, pieces_of
from cinelog_merge.ports import Joined, Joiner, JoinFile, JoinOrder, JoinPart

JOB = "00000000-0000-5000-8000-000000000002"
SOUND = "5f0d"
RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 90_000),
    frame_rate=(25, 1),
    renditions=(Rendition(name="96p", width=160, height=96, crf=23, max_rate_k=1000),),
    max_segment_s=2.0,
)


class RecordingAnnouncer:
    """Keeps what was announced."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def announce(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)


class Footage(msgspec.Struct, frozen=True, kw_only=True):
    """One strand in pieces: its init segment, its fragments and the sidecar of each."""

    name: str
    recipe: str
    encoded: EncodedTrack
    sidecars: Sequence[Sidecar]

    async def store(self, objects: ObjectStore) -> None:
        """Put everything where the workers put it."""
        await objects.create(self.sidecars[0].init_key, self.encoded.init)
        prefix = keys.encoded_prefix(JOB, 1, self.recipe, self.name)
        for sidecar, data in zip(self.sidecars, self.encoded.segments, strict=True):
            await objects.create(sidecar.parts[0].key, data)
            await objects.create(
                keys.sidecar(prefix, sidecar.n, sidecar.generation), msgspec.json.encode(sidecar)
            )

    @property
    def pieces(self) -> list[Piece]:
        """The strand as a playlist lists it."""
        return pieces_of(self.sidecars)

    def track(self, kind: str = "audio") -> Track:
        """Return the strand as a track that download delivers."""
        info = init_info(self.encoded.init)
        return Track(
            name=self.name,
            kind=kind,
            codec=info.codec,
            recipe=self.recipe,
            init_key=self.sidecars[0].init_key,
            timescale=info.timescale,
            channels=info.channels,
            sample_rate=info.sample_rate,
            width=info.width,
            height=info.height,
            frame_rate=(25, 1) if kind == "video" else (0, 1),
            bitrate_bps=96_000,
        )


def pictures(
    name: str = "96p", recipe: str = RECIPE.hash, segments: Sequence[Interval] | None = None
) -> Footage:
    """Return 2.4 s of numbered pictures in three segments."""
    cut = steady() if segments is None else segments
    encoded = encode_video(cut)
    parts = [(start, end, len(pts)) for pts, start, end in cut]
    return _footage(name, recipe, encoded, parts)


def clicks(name: str = "a0", seconds: float = 2.4, cuts_s: Sequence[float] = (0.96, 1.92)) -> Footage:
    """Return sound in three fragments."""
    encoded = encode_clicks(seconds, cuts_s)
    info = init_info(encoded.init)
    parts = []
    for data in encoded.segments:
        fragment = read_fragment(data)
        heard = fragment.base_time - info.media_time
        parts.append((max(0, heard), heard + fragment.duration, len(fragment.samples)))
    return _footage(name, SOUND, encoded, parts)


def _footage(name: str, recipe: str, encoded: EncodedTrack, parts: Sequence[tuple[int, int, int]]) -> Footage:
    own = parameter_hash(encoded.init)
    prefix = keys.encoded_prefix(JOB, 1, recipe, name)
    sidecars = [
        Sidecar(
            n=n,
            generation=0,
            init_hash=own,
            init_key=keys.init(JOB, 1, recipe=recipe, name=name, init_hash=own),
            timescale=init_info(encoded.init).timescale,
            parts=(
                SegmentPart(
                    key=keys.segment(prefix, n),
                    start=start,
                    end=end,
                    frames=frames,
                    size_bytes=len(data),
                    checksum=checksum(data),
                ),
            ),
        )
        for n, ((start, end, frames), data) in enumerate(zip(parts, encoded.segments, strict=True))
    ]
    return Footage(name=name, recipe=recipe, encoded=encoded, sidecars=sidecars)


WHOLE = Extent(units=3, tracks={"a0": 3})


class FakeJoiner:
    """Writes the name of each file into it, or raises what it is told.

    Attributes:
        orders: What was asked for.
        failures: What the next calls raise.
    """

    def __init__(self, *failures: CinelogError) -> None:
        self.orders: list[JoinOrder] = []
        self.failures = list(failures)

    async def join(self, order: JoinOrder) -> tuple[Joined, ...]:
        """Write the files."""
        self.orders.append(order)
        if self.failures:
            raise self.failures.pop(0)
        for part in order.parts:
            missing = [name for name in (part.init, *part.fragments) if not Path(name).is_file()]
            if missing:
                raise PermanentError(f"{missing[0]} is not there.")
        made = []
        for file in order.files:
            size = (Path(order.folder) / file.name).write_text(file.name)
            made.append(Joined(name=file.name, kind=file.kind, size_bytes=size, duration_s=2.4))
        return tuple(made)


def a_part(folder: Path, footage: Footage, kind: str) -> JoinPart:
    """Return a part of an order over files in `folder`."""
    own = folder / footage.name
    own.mkdir()
    (own / "init.mp4").write_bytes(footage.encoded.init)
    paths = []
    for n, data in enumerate(footage.encoded.segments):
        path = own / f"{n:06d}.m4s"
        path.write_bytes(data)
        paths.append(str(path))
    pieces = footage.pieces
    return JoinPart(
        kind=kind,
        init=str(own / "init.mp4"),
        fragments=tuple(paths),
        starts=tuple(piece.part.start for piece in pieces),
        ends=tuple(piece.part.end for piece in pieces),
        samples=tuple(piece.part.frames for piece in pieces),
        checksums=tuple(piece.part.checksum for piece in pieces),
        init_hashes=tuple(piece.init_hash for piece in pieces),
    )


@lru_cache(maxsize=1)
def _film() -> tuple[Footage, Footage]:
    return pictures(), clicks()


class JoinerConformance:
    """What every joiner promises. A subclass opens its own."""

    def open_joiner(self) -> AbstractAsyncContextManager[Joiner]:
        """Return a joiner."""
        raise NotImplementedError

    @pytest.fixture
    def footage(self) -> tuple[Footage, Footage]:
        return _film()

    def _order(self, folder: Path, footage: tuple[Footage, Footage], *names: str) -> JoinOrder:
        parts = (a_part(folder, footage[0], "video"), a_part(folder, footage[1], "audio"))
        files = tuple(JoinFile(name=name, kind=name.rpartition(".")[2]) for name in names)
        return JoinOrder(folder=str(folder), parts=parts, files=files)

    def test_the_files_that_were_asked_for_are_there(
        self, tmp_path: Path, footage: tuple[Footage, Footage]
    ) -> None:
        async def work() -> tuple[Joined, ...]:
            async with self.open_joiner() as joiner:
                return await joiner.join(self._order(tmp_path, footage, "video.mp4"))

        (joined,) = asyncio.run(work())

        assert (joined.name, joined.kind) == ("video.mp4", "mp4")
        assert (tmp_path / "video.mp4").stat().st_size == joined.size_bytes > 0
        assert joined.duration_s == pytest.approx(2.4)

    def test_an_order_without_files_makes_none(
        self, tmp_path: Path, footage: tuple[Footage, Footage]
    ) -> None:
        async def work() -> tuple[Joined, ...]:
            async with self.open_joiner() as joiner:
                return await joiner.join(self._order(tmp_path, footage))

        assert asyncio.run(work()) == ()
        assert list(tmp_path.glob("*.*")) == []

    def test_a_fragment_that_is_not_there_is_an_error(
        self, tmp_path: Path, footage: tuple[Footage, Footage]
    ) -> None:
        async def work() -> None:
            async with self.open_joiner() as joiner:
                order = self._order(tmp_path, footage, "video.mp4")
                Path(order.parts[1].fragments[1]).unlink()
                with pytest.raises(CinelogError):
                    await joiner.join(order)

        asyncio.run(work())

        assert not (tmp_path / "video.mp4").exists()


def renamed(footage: Footage, n: int, *, generation: int) -> Footage:
    """Return `footage` with unit `n` of another generation."""
    sidecars = list(footage.sidecars)
    prefix = keys.encoded_prefix(JOB, 1, footage.recipe, footage.name)
    old = sidecars[n]
    parts = tuple(
        replace(part, key=keys.segment(prefix, n, at, generation)) for at, part in enumerate(old.parts)
    )
    sidecars[n] = replace(old, generation=generation, parts=parts)
    return replace(footage, sidecars=sidecars)
