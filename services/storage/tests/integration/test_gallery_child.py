"""The real child makes real pictures, within bounds, and survives nonsense."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest
from cinelog_common.child_pool import ChildPool
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_fastio import KEYFRAME, BundleWriter, Packet, StreamParameters
from cinelog_storage.adapters.gallery_child import Gallerist
from cinelog_storage.children import gallery as child
from cinelog_storage.ports import Gallerist as GalleristPort
from cinelog_storage.ports import Gallery, GalleryOrder
from cinelog_storage.testing import FakeGallerist, GalleristConformance, picture_bundle


class TestFakeGallerist(GalleristConformance):
    @asynccontextmanager
    async def open_gallerist(self) -> AsyncIterator[GalleristPort]:
        yield FakeGallerist()

    def jpeg(self) -> bytes:
        return b"any"


class TestGalleristChild(GalleristConformance):
    @pytest.fixture(autouse=True)
    def _jpeg(self, jpeg: bytes) -> None:
        self._picture = jpeg

    @asynccontextmanager
    async def open_gallerist(self) -> AsyncIterator[GalleristPort]:
        async with ChildPool("cinelog_storage.children.gallery", size=1) as pool:
            yield Gallerist(pool)

    def jpeg(self) -> bytes:
        return self._picture

    def test_pictures_that_are_never_done_are_given_up_and_the_next_order_is_carried_out(
        self, tmp_path: Path
    ) -> None:
        order = _order(tmp_path, picture_bundle(tmp_path / "good.pkts", [0], jpeg=self._picture))

        async def work() -> Gallery:
            async with ChildPool("cinelog_storage.children.gallery", size=1) as pool:
                with pytest.raises(TransientError, match="not done after"):
                    await Gallerist(pool, patience_s=-3600).make(order)
                return await Gallerist(pool).make(order)

        assert asyncio.run(work()).poster is not None

    def test_nonsense_is_broken_and_the_next_order_is_carried_out(self, tmp_path: Path) -> None:
        (tmp_path / "bad.pkts").write_bytes(b"\0" * 1000)
        good = picture_bundle(tmp_path / "good.pkts", [0], jpeg=self._picture)

        async def work() -> Gallery:
            async with self.open_gallerist() as gallerist:
                with pytest.raises(PermanentError) as raised:
                    await gallerist.make(_order(tmp_path, tmp_path / "bad.pkts"))
                assert raised.value.category is Category.DAMAGED
                return await gallerist.make(_order(tmp_path, good))

        assert asyncio.run(work()).poster is not None


def _order(folder: Path, *bundles: Path, duration_s: float = 10.0) -> GalleryOrder:
    return GalleryOrder(bundles=tuple(map(str, bundles)), folder=str(folder), duration_s=duration_s)


def _size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as picture:
        frame = next(picture.decode(video=0))
        assert isinstance(frame, av.VideoFrame)
        return frame.width, frame.height


def _luma(path: Path, x: int, y: int) -> int:
    with av.open(str(path)) as picture:
        frame = next(picture.decode(video=0))
        assert isinstance(frame, av.VideoFrame)
        plane = frame.planes[0]
        return memoryview(plane)[y * plane.line_size + x]


def test_one_picture_is_poster_and_sheet(tmp_path: Path, jpeg: bytes) -> None:
    made = child.make(_order(tmp_path, picture_bundle(tmp_path / "0.pkts", [0], jpeg=jpeg), duration_s=0.0))

    assert (made.width, made.height) == (32, 18)
    assert _size(tmp_path / "sprite.jpg") == (32, 18)
    assert "#xywh=0,0,32,18" in (tmp_path / "sprite.vtt").read_text()


def test_no_pictures_make_nothing(tmp_path: Path, jpeg: bytes) -> None:
    assert child.make(_order(tmp_path, picture_bundle(tmp_path / "0.pkts", [], jpeg=jpeg))) == Gallery()


def test_bundles_that_come_in_any_order_are_laid_out_by_time(
    tmp_path: Path, jpeg: bytes, bright_jpeg: bytes
) -> None:
    late = picture_bundle(tmp_path / "late.pkts", [8], jpeg=bright_jpeg)
    early = picture_bundle(tmp_path / "early.pkts", [0], jpeg=jpeg)

    child.make(_order(tmp_path, late, early))

    assert abs(_luma(tmp_path / "sprite.jpg", 16, 9) - 128) < 5
    assert abs(_luma(tmp_path / "sprite.jpg", 32 + 16, 9) - 200) < 5


def test_ten_thousand_pictures_take_the_memory_of_a_hundred(tmp_path: Path, jpeg: bytes) -> None:
    heavy = jpeg + b"\0" * 20_000  # what follows the end of a JPEG is no picture; 200 MB in all
    bundles = [
        picture_bundle(tmp_path / f"{n}.pkts", range(500 * n, 500 * n + 500), jpeg=heavy) for n in range(20)
    ]
    child.make(_order(tmp_path, bundles[0]))  # what libraries keep for themselves is there now
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    child.make(_order(tmp_path, *bundles, duration_s=10_000))

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert grown_kib < 60_000
    assert _size(tmp_path / "sprite.jpg") == (320, 180)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xd9", b"garbage" * 100])
def test_a_picture_that_is_none_is_told(tmp_path: Path, data: bytes) -> None:
    bundle = picture_bundle(tmp_path / "0.pkts", [0], jpeg=data)

    with pytest.raises((child.BrokenPictureError, av.FFmpegError)):
        child.make(_order(tmp_path, bundle))


@pytest.mark.parametrize("luma", [b"", b"[]", b'{"mean": "x"}', b"\xff"])
def test_broken_side_data_is_told(tmp_path: Path, jpeg: bytes, luma: bytes) -> None:
    path = tmp_path / "0.pkts"
    with BundleWriter(path, StreamParameters(codec="mjpeg", time_base=(1, 1000))) as bundle:
        bundle.add(Packet(data=jpeg, pts=0, dts=0, flags=KEYFRAME, side_data=(("cinelog.luma", luma),)))
    answers: list[bytes] = []

    child.handle(
        b'{"bundles": ["%s"], "folder": "%s", "duration_s": 1}' % (bytes(path), bytes(tmp_path)),
        answers.append,
    )

    assert b"broken" in answers[0]
