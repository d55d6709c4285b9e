"""Sources of every form that are held back on their way: a segment can be watched before they are there."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog.settings import StandaloneSettings
from cinelog.standalone import Standalone
from cinelog.submitting import submit
from cinelog.watching import Watcher
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.films import Film, make_film

pytestmark = pytest.mark.timeout(300)

SHARE = 0.25
"""Of the bytes: no more are sent until a segment can be watched."""
WITHIN_S = 60.0
OPTIONS = Options(preset="ultrafast", segment_s=1.0, hardware="never")
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".ts": "video/mp2t",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "index-last": ("film.mp4", {}),
    "index-first": ("film.mp4", {"container": {"movflags": "faststart"}}),
    "fragmented": ("film.mp4", {"container": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}),
    "matroska": ("film.mkv", {}),
    "webm": (
        "film.webm",
        {
            "encoder": "libvpx",
            "options": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
            "sound": "libopus",
        },
    ),
    "transport-stream": ("film.ts", {}),
    "hls": ("film.m3u8", {"container": {"hls_time": "1", "hls_playlist_type": "vod"}}),
    "dash": ("film.mpd", {"container": {"seg_duration": "1", "use_template": "1", "use_timeline": "1"}}),
}


class Arrival:
    """What had happened when no more bytes came."""

    def __init__(
        self, *, size: int, sent: int, watchable: bool, ended: str, asked: list[tuple[str, int, int]]
    ) -> None:
        self.size = size
        self.sent = sent
        self.watchable = watchable
        self.ended = ended
        self.asked = asked
        """Of each request: the path, the first byte and how many were sent."""


def serve(origin: Origin, form: str, folder: Path) -> tuple[str, int]:
    """Make a film of the form and serve its files; return its address and how many bytes it has."""
    folder.mkdir()
    name, changes = FORMS[form]
    path = make_film(folder / name, Film(frames=400, noise=True, **changes))
    for file in folder.iterdir():
        behaviour = Behaviour(content_type=TYPES.get(file.suffix, "video/mp4"))
        origin.serve(f"/{form}/{file.name}", file.read_bytes(), behaviour)
    return origin.url(f"/{form}/{path.name}"), sum(file.stat().st_size for file in folder.iterdir())


def index_of(path: Path) -> int:
    """Return where the index of an MP4 begins."""
    with av.open(str(path)) as container:
        return max(packet.pos + packet.size for packet in container.demux() if packet.size)


def watchable(data: Path, job: str) -> bool:
    """Whether the live playlist of the picture names a segment."""
    return any("#EXTINF" in one.read_text() for one in data.glob(f"**/jobs/{job}/*/live/*p.m3u8"))


async def until(condition: Callable[[], bool], origin: Origin) -> bool:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not condition():  # noqa: ASYNC110 - nothing tells of files
                await asyncio.sleep(0.02)
    except TimeoutError:
        return False
    return True


async def arrive(node: Standalone, origin: Origin, form: str, folder: Path) -> Arrival:
    url, size = await asyncio.to_thread(serve, origin, form, folder / form)
    job = job_id_of_key("overlap", form)
    watcher = Watcher(node.platform, job, lambda _, __: None)
    await watcher.start(1)
    index = index_of(folder / form / FORMS[form][0]) if form == "index-last" else size
    # Nothing of the bytes in between is sent before the index is: both together are the share.
    origin.hold_after(int(size * SHARE) - (size - index), free_from=index)
    try:
        await (await submit(node, job, Source(url=url), OPTIONS)).announce()
        early = await until(lambda: watchable(folder / "data", job), origin)
        requests = [seen for seen in origin.requests if seen.path.startswith(f"/{form}/")]
        sent = sum(seen.sent for seen in requests)
        await origin.release()
        async with asyncio.timeout(WITHIN_S):
            ended = await watcher.ended()
    finally:
        await watcher.stop()
    return Arrival(
        size=size,
        sent=sent,
        watchable=early,
        ended=ended.state,
        asked=[(seen.path, seen.start, seen.sent) for seen in requests],
    )


async def arrivals(forms: list[str], folder: Path) -> dict[str, Arrival]:
    settings = StandaloneSettings(data=folder / "data", slots=2, allow_private_sources=True)
    async with Origin() as origin, Standalone(settings) as node:
        return {form: await arrive(node, origin, form, folder) for form in forms}


@pytest.fixture(scope="module")
def arrived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrival]:
    """Run the forms that the chosen tests need, one after the other in one node."""
    chosen = {
        item.callspec.params["form"]: None
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "form" in item.callspec.params
    }
    forms = [form for form in FORMS if form in chosen]
    return asyncio.run(arrivals(forms, tmp_path_factory.mktemp("overlap")))


@pytest.mark.parametrize("form", FORMS)
def test_a_segment_can_be_watched_before_a_quarter_of_the_source_is_there(
    arrived: dict[str, Arrival], form: str
) -> None:
    arrival = arrived[form]

    assert arrival.watchable, arrival.asked
    assert arrival.sent <= SHARE * arrival.size
    assert arrival.ended == "completed"


@pytest.mark.parametrize("form", ["index-last"])
def test_an_index_at_the_end_is_asked_for_once(arrived: dict[str, Arrival], form: str) -> None:
    arrival = arrived[form]

    tails = [sent for _, start, sent in arrival.asked if start + sent == arrival.size]

    assert len(tails) == 1, arrival.asked
