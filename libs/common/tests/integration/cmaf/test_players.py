"""Seeks to every frame of a film with variable frame times, in a real browser, three ways.

Progressive MP4, native HLS, and segments appended through Media Source Extensions, which is what
hls.js does. A rule that shifts decode times by a fixed delay shows wrong frames here.
"""

import json
import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.inits import codec_string, init_info
from cinelog_common.cmaf.joining import JoinTrack, join_mp4
from cinelog_common.cmaf.playlists import (
    AudioRendition,
    MediaPlaylist,
    MediaSegment,
    MultivariantPlaylist,
    Variant,
    write_media_playlist,
    write_multivariant_playlist,
)
from cinelog_common.cmaf.testing import Interval, encode_clicks, encode_video, stored, varying
from cinelog_testkit.programs import chromium_path

pytestmark = [pytest.mark.real, pytest.mark.slow]

PAGE = b"<!doctype html><video id=v muted playsinline width=160></video>"
TYPES = {".mp4": "video/mp4", ".m4s": "video/mp4", ".m3u8": "application/vnd.apple.mpegurl"}

SEEK = """async ([how, times, end, tracks]) => {
  const video = document.getElementById('v');
  const late = (ms, what) => new Promise((_, no) => setTimeout(() => no(what + ' took too long'), ms));
  const bytes = async uri => (await fetch(uri)).arrayBuffer();
  const append = async () => {
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    await new Promise(done => { source.onsourceopen = done; });
    const buffers = tracks.map(track => source.addSourceBuffer(track.type));
    for (const [at, track] of tracks.entries())
      for (const uri of track.uris) {
        const updated = new Promise(done => { buffers[at].onupdateend = done; });
        buffers[at].appendBuffer(await bytes(uri));
        await updated;
      }
    source.endOfStream();
  };
  const loaded = new Promise(done => { video.onloadeddata = done; });
  if (how === 'mse') await append(); else video.src = how;
  await Promise.race([loaded, late(20000, 'loading')]);
  const canvas = document.createElement('canvas');
  canvas.width = 160; canvas.height = 96;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const number = () => {
    context.drawImage(video, 0, 0, 160, 96);
    const pixels = context.getImageData(0, 0, 160, 96).data;
    let value = 0;
    for (let bit = 0; bit < 16; bit++) {
      const x = ((bit % 8) * 2 + 1) * 10, y = Math.floor(bit / 8) * 48 + 24;
      if (pixels[(y * 160 + x) * 4] > 125) value |= 1 << bit;
    }
    return value;
  };
  const wrong = [];
  const order = [...times.keys()].sort((a, b) => (a * 7919) % 101 - (b * 7919) % 101);
  for (const index of order) {
    const until = index + 1 < times.length ? times[index + 1] : end;
    const target = (times[index] + until) / 2;
    const sought = new Promise(done => { video.onseeked = done; });
    video.currentTime = target;
    await Promise.race([sought, late(10000, 'a seek to ' + target)]);
    // The picture may reach the compositor a little after the event: up to a second, by looking.
    const deadline = performance.now() + 1000;
    while (number() !== index && performance.now() < deadline)
      await new Promise(done => requestAnimationFrame(done));
    if (number() !== index) wrong.push([index, number()]);
  }
  const ranges = [...Array(video.buffered.length).keys()];
  const buffered = ranges.map(at => [video.buffered.start(at), video.buffered.end(at)]);
  return {wrong, buffered, duration: video.duration};
}"""


class Files(BaseHTTPRequestHandler):
    """Serves the files of one folder, ranges included, as every player wants it."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        path = self.folder / self.path.partition("?")[0].lstrip("/")
        data = PAGE if self.path == "/" else path.read_bytes() if path.is_file() else b""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.send_response(206 if wanted else 200 if data else 404)
        if wanted:
            first, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", TYPES.get(path.suffix, "text/html"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            # A player that seeks hangs up on what it no longer wants.
            self.close_connection = True


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield browser.new_page()
        browser.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    handler = type("FilesHere", (Files,), {"folder": tmp_path})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def late() -> list[Interval]:
    """The first frame is planned for 0 and comes at 0.3 s."""
    moved = [([at + 27000 for at in pts], start + 27000, end + 27000) for pts, start, end in varying()]
    return [(moved[0][0], 0, moved[0][2]), *moved[1:]]


def published(folder: Path, spans: list[Interval]) -> list[JoinTrack]:
    """The film as MP4 and as HLS in `folder`."""
    length = spans[-1][2] / 90000
    video = stored(folder, "video", encode_video(spans), kind="video")
    sound = stored(
        folder, "sound", encode_clicks(length, [start / 90000 for _, start, _ in spans[1:]]), kind="audio"
    )
    join_mp4([video, sound], folder / "film.mp4")
    for name, track in (("video", video), ("sound", sound)):
        (folder / f"{name}-init.mp4").write_bytes(track.init)
        scale = init_info(track.init).timescale
        segments = [
            MediaSegment(
                uri=path.name,
                duration=Fraction(read_fragment(path.read_bytes()).duration, scale),
                init=f"{name}-init.mp4",
            )
            for path in track.fragments
        ]
        playlist = MediaPlaylist(target_duration=4, segments=segments, ended=True, vod=True)
        (folder / f"{name}.m3u8").write_text(write_media_playlist(playlist))
    codecs = (codec_string(video.init), codec_string(sound.init))
    variant = Variant(uri="video.m3u8", bandwidth=1_000_000, codecs=codecs, audio_group="sound")
    audio = [AudioRendition(group="sound", name="Sound", uri="sound.m3u8", default=True)]
    main = MultivariantPlaylist(variants=[variant], audio=audio)
    (folder / "main.m3u8").write_text(write_multivariant_playlist(main))
    return [video, sound]


@pytest.fixture(params=[varying, late])
def spans(request: pytest.FixtureRequest) -> list[Interval]:
    footage: list[Interval] = request.param()
    return footage


@pytest.mark.parametrize("how", ["film.mp4", "main.m3u8", "mse"])
def test_every_seek_shows_the_frame_of_its_time(  # noqa: PLR0917 - a table and its fixtures
    how: str, spans: list[Interval], page: Any, address: str, tmp_path: Path
) -> None:
    tracks = published(tmp_path, spans)
    times = [at / 90000 for pts, _, _ in spans for at in pts]
    parts = [
        {
            "type": f'{kind}/mp4; codecs="{codec_string(track.init)}"',
            "uris": [f"{name}-init.mp4", *(path.name for path in track.fragments)],
        }
        for kind, name, track in zip(("video", "audio"), ("video", "sound"), tracks, strict=True)
    ]

    page.goto(address)
    seen = page.evaluate(SEEK, [how, times, spans[-1][2] / 90000, parts])

    assert seen["wrong"] == [], json.dumps(seen)
    assert len(seen["buffered"]) == 1
    assert seen["duration"] == pytest.approx(spans[-1][2] / 90000, abs=0.03)
