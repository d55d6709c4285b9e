"""Live playlists of a run that has ended: closed once, never rewritten."""

import asyncio
from fractions import Fraction

import pytest
from cinelog_common.cmaf.hlsvalidation import validate, validate_update
from cinelog_common.cmaf.playlists import MediaPlaylist, MediaSegment, closed, write_media_playlist
from cinelog_common.contract import keys
from cinelog_common.live import close_playlists
from cinelog_common.objects.testing import FakeObjectStore

JOB = "00000000-0000-5000-8000-000000000009"
BASE = keys.live_prefix(JOB, 1)
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n720p.m3u8\n"


def playlist(segments: int, *, ended: bool = False) -> str:
    listed = [MediaSegment(uri=f"{n}.m4s", duration=Fraction(4), init="init.mp4") for n in range(segments)]
    return write_media_playlist(MediaPlaylist(target_duration=4, segments=listed, ended=ended))


def store(**texts: str) -> FakeObjectStore:
    objects = FakeObjectStore()
    for name, text in texts.items():
        asyncio.run(objects.create(f"{BASE}{name}.m3u8", text.encode()))
    return objects


def texts(objects: FakeObjectStore) -> dict[str, str]:
    return {key.removeprefix(BASE): one.data.decode() for key, one in objects.objects.items()}


def test_an_open_playlist_gets_its_end_and_nothing_else_changes() -> None:
    before = playlist(3)

    after = closed(before)

    assert after == playlist(3, ended=True)
    assert validate_update(before, after) == []
    assert validate({"720p.m3u8": after}) == []


@pytest.mark.parametrize("text", [playlist(2, ended=True), MASTER, "", "#EXTM3U\n#EXT-X-TARGETDU"])
def test_what_has_ended_or_has_no_end_stays_as_it_is(text: str) -> None:
    assert closed(text) == text


def test_every_playlist_of_the_run_ends_where_it_is() -> None:
    objects = store(master=MASTER, v=playlist(2), a0=playlist(5), a1=playlist(1, ended=True))

    count = asyncio.run(close_playlists(objects, JOB, 1))
    again = asyncio.run(close_playlists(objects, JOB, 1))

    assert (count, again) == (2, 0)
    assert texts(objects) == {
        "master.m3u8": MASTER,
        "v.m3u8": playlist(2, ended=True),
        "a0.m3u8": playlist(5, ended=True),
        "a1.m3u8": playlist(1, ended=True),
    }


def test_a_playlist_that_grew_meanwhile_keeps_what_it_gained() -> None:
    objects = store(v=playlist(2))
    key, read = f"{BASE}v.m3u8", objects.read

    async def late(wanted: str):  # type: ignore[no-untyped-def]
        found = await read(wanted)
        objects.read = read  # type: ignore[method-assign]
        await objects.replace(key, playlist(3).encode(), if_match=found.info.etag)
        return found

    objects.read = late  # type: ignore[method-assign]

    asyncio.run(close_playlists(objects, JOB, 1))

    assert texts(objects) == {"v.m3u8": playlist(3, ended=True)}


def test_a_job_that_is_deleted_meanwhile_is_no_error() -> None:
    objects = store(v=playlist(2))
    read = objects.read

    async def late(wanted: str):  # type: ignore[no-untyped-def]
        found = await read(wanted)
        await objects.delete(wanted)
        return found

    objects.read = late  # type: ignore[method-assign]

    assert asyncio.run(close_playlists(objects, JOB, 1)) == 0
    assert texts(objects) == {}


def test_another_run_goes_on() -> None:
    objects = store(v=playlist(2))

    assert asyncio.run(close_playlists(objects, JOB, 2)) == 0
