"""A film whose encoder was replaced in its middle plays on in a browser, with sound, to its end."""

from pathlib import Path
from typing import Any

import pytest
from cinelog.settings import StandaloneSettings
from cinelog_common.contract.values import Options
from cinelog_testkit.devices import device_node, plug_in
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.network import free_port
from cinelog_testkit.programs import chromium_path
from cinelog_testkit.waiting import within

pytestmark = pytest.mark.real

FRAMES = 150
VIDEO = "document.querySelector('video')"


def test_the_live_playlist_plays_over_the_discontinuity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser_path = chromium_path()
    from playwright.async_api import async_playwright

    plug_in(monkeypatch)
    film = make_film(tmp_path / "film.mp4", Film(frames=FRAMES, size=(320, 180)))
    port = free_port()
    settings = StandaloneSettings(
        data=tmp_path / "data", allow_private_sources=True, host="127.0.0.1", port=port
    )
    seen: dict[str, Any] = {}

    async def work() -> None:
        async with device_node(settings) as it, async_playwright() as playwright:
            status = await it.convert(film, Options(preset="ultrafast", segment_s=1.0))
            browser = await playwright.chromium.launch(
                executable_path=browser_path,
                args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
            )
            page = await browser.new_page()
            page.set_default_timeout(60_000)
            complaints: list[str] = []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(f"http://127.0.0.1:{port}/watch/{status.job}")
            await page.wait_for_function(f"() => {VIDEO}.readyState >= 2")
            await page.evaluate(
                f"() => {{ {VIDEO}.muted = true; {VIDEO}.playbackRate = 2; {VIDEO}.play(); }}"
            )
            await page.wait_for_function(f"() => {VIDEO}.ended")
            for name in (
                "currentTime",
                "buffered.length",
                "webkitAudioDecodedByteCount",
                "getVideoPlaybackQuality().totalVideoFrames",
            ):
                seen[name] = await page.evaluate(f"() => {VIDEO}.{name}")
            await browser.close()
            seen["complaints"] = complaints

    within(work(), deadline_s=200)

    assert seen["complaints"] == []
    assert seen["currentTime"] == pytest.approx(FRAMES / 25, abs=0.1)
    assert seen["buffered.length"] == 1
    assert seen["webkitAudioDecodedByteCount"] > 0
    assert seen["getVideoPlaybackQuality().totalVideoFrames"] == FRAMES
