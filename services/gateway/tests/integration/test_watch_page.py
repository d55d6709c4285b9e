"""The page in a real browser: it plays while the playlist grows, to the end, within its own policy."""

import asyncio
from fractions import Fraction

import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.inits import codec_string, init_info
from cinelog_common.cmaf.playlists import (
    AudioRendition,
    MediaPlaylist,
    MediaSegment,
    MultivariantPlaylist,
    Variant,
    write_media_playlist,
    write_multivariant_playlist,
)
from cinelog_common.cmaf.testing import encode_clicks, encode_video, stored, varying
from cinelog_common.contract.status import JobState
from cinelog_testkit.programs import chromium_path

pytestmark = [pytest.mark.real]

DEADLINE_MS = 60_000
AT_LEAST = "([id, s]) => { const v = document.getElementById(id); return v.currentTime >= s; }"
PLAY = "() => { const v = document.getElementById('video'); v.muted = true; v.play().catch(() => {}); }"


class Film:
    """Segments of one film under their keys, and a live playlist that shows some of them."""

    def __init__(self, objects, job, folder):
        self._objects = objects
        self._base = f"jobs/{job}/1"
        spans = varying()
        length_s = spans[-1][2] / 90000
        clicks = encode_clicks(length_s, [start / 90000 for _, start, _ in spans[1:]])
        self.tracks = {
            "v0": stored(folder, "video", encode_video(spans), kind="video"),
            "a0": stored(folder, "sound", clicks, kind="audio"),
        }
        self.length_s = length_s

    async def publish(self):
        for name, track in self.tracks.items():
            await self._objects.create(f"{self._base}/encoded/aa/{name}/init-1.mp4", track.init)
            for path in track.fragments:
                await self._objects.create(f"{self._base}/encoded/aa/{name}/{path.name}", path)
        codecs = tuple(codec_string(self.tracks[name].init) for name in ("v0", "a0"))
        main = MultivariantPlaylist(
            variants=[Variant(uri="v0.m3u8", bandwidth=1_000_000, codecs=codecs, audio_group="sound")],
            audio=[AudioRendition(group="sound", name="Sound", uri="a0.m3u8", default=True)],
        )
        await self._put("master.m3u8", write_multivariant_playlist(main))

    async def show(self, segments=None):
        """Let the live playlists have the first segments, or all and an end."""
        for name, track in self.tracks.items():
            scale = init_info(track.init).timescale
            shown = [
                MediaSegment(
                    uri=f"../encoded/aa/{name}/{path.name}",
                    duration=Fraction(read_fragment(path.read_bytes()).duration, scale),
                    init=f"../encoded/aa/{name}/init-1.mp4",
                )
                for path in track.fragments[:segments]
            ]
            playlist = MediaPlaylist(target_duration=4, segments=shown, ended=segments is None)
            await self._put(f"{name}.m3u8", write_media_playlist(playlist))

    async def _put(self, name, text):
        key = f"{self._base}/live/{name}"
        there = await self._objects.head(key)
        await self._objects.replace(key, text.encode(), if_match=there and there.etag)


def test_the_page_plays_what_there_is_and_goes_on_as_it_grows(node, tmp_path):
    browser_path = chromium_path()
    from playwright.async_api import async_playwright

    async def scenario():
        async with node() as n, n.client() as http, async_playwright() as playwright:
            job = (await http.post("/api/v1/jobs", json={"source": "https://a.example/b"})).json()["job"]
            film = Film(n.platform.objects, job, tmp_path)
            await film.publish()
            await film.show(2)
            browser = await playwright.chromium.launch(
                executable_path=browser_path,
                args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
            )
            page = await browser.new_page()
            page.set_default_timeout(DEADLINE_MS)
            complaints = []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))

            await page.goto(f"http://{n.address}/watch/{job}")
            # Before there is anything to play: pressed while that is being attached, it would be for nothing.
            await page.evaluate(PLAY)
            await n.ledger.change(
                job, state=JobState.ENCODING, playable=True, playlist_key=f"jobs/{job}/1/live/master.m3u8"
            )
            await page.wait_for_function(AT_LEAST, arg=["video", 0.2])
            state = await page.inner_text("#state")
            await film.show()
            await page.evaluate("() => { document.getElementById('video').playbackRate = 4; }")
            await page.wait_for_function("() => document.getElementById('video').ended")
            await n.ledger.change(job, state=JobState.COMPLETED, fraction=1.0, title="A <b>film</b>")
            await page.wait_for_function("() => document.title.startsWith('A <b>film</b>')")
            length_s = await page.evaluate("() => document.getElementById('video').duration")
            await browser.close()

            assert state.startswith("encoding")
            assert length_s == pytest.approx(film.length_s, abs=0.1)
            assert complaints == []

    asyncio.run(scenario())
