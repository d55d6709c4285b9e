"""Cinelog with its gateway, and a browser that plays what it makes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Origin
from cinelog_testkit.availability import UnavailableError, give_up
from cinelog_testkit.growing import OPTIONS, WAY, Growing
from cinelog_testkit.hosting import hosted
from cinelog_testkit.npm import dash_js
from cinelog_testkit.programs import chromium_path
from cinelog_testkit.serving import Serve, served

BLANK = '<!doctype html><link rel="icon" href="data:,"><video playsinline></video>'
DEADLINE_MS = 60_000
_START_DASH = """url => new Promise((done, failed) => {
  const player = window.dashjs.MediaPlayer().create();
  window.problems = [];
  player.on('error', event => window.problems.push(event.error.message));
  player.on('playbackMetaDataLoaded', () => done(true));
  setTimeout(() => failed(new Error('no metadata: ' + window.problems.join())), 30000);
  window.player = player;
  player.initialize(document.querySelector('video'), url, false);
})"""
_OF_THE_VIDEO = "() => { const v = document.querySelector('video'); return %s; }"
FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with served(tmp_path_factory.mktemp("serve"), "--allow-private-sources") as process:
        yield process


@pytest.fixture(scope="module")
def finished_film(serve: Serve, film: bytes) -> dict[str, Any]:
    """The module's film as a job that has ended."""
    with hosted(Origin()) as origin:
        job = serve.gateway.submit(origin.serve(WAY, film), **OPTIONS)
        return serve.gateway.await_job(job)


@pytest.fixture
def growing(serve: Serve, origin: Origin, film: bytes) -> Iterator[Growing]:
    """The module's film as a job that can be played and is not finished."""
    job = Growing(serve, origin, film)
    yield job
    job.finish()


@pytest.fixture(scope="session")
def script() -> Path:
    """The script of dash.js."""
    try:
        return dash_js()
    except UnavailableError as error:
        give_up(str(error))


class Browser:
    """Chromium on a thread of its own, since Playwright keeps an event loop running where it is used."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
        self._stack = ExitStack()
        self._browser: Any = None

    def do(self, work: Callable[[], Any]) -> Any:
        """Return what `work` returns on the browser's thread."""
        return self._thread.submit(work).result()

    def open(self) -> None:
        def launch() -> None:
            from playwright.sync_api import sync_playwright

            playwright = self._stack.enter_context(sync_playwright())
            self._browser = playwright.chromium.launch(executable_path=self._path, args=FLAGS)
            self._stack.callback(self._browser.close)

        self.do(launch)

    def new_page(self, **options: Any) -> Any:
        return self.do(lambda: self._browser.new_page(**options))

    def close(self) -> None:
        self.do(self._stack.close)
        self._thread.shutdown()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    browser = Browser(chromium_path())
    browser.open()
    yield browser
    browser.close()


class Player:
    """A page with one video, and everything that the browser complains about."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self._browser = browser
        self._page = browser.new_page(**options)
        self.complaints: list[str] = []
        self._browser.do(self._listen)

    def _listen(self) -> None:
        self._page.set_default_timeout(DEADLINE_MS)
        self._page.on("console", lambda message: self.complaints.append(message.text))
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, url: str) -> None:
        self._browser.do(lambda: self._page.goto(url))
        self._browser.do(lambda: self._page.wait_for_selector("video", state="attached"))

    def blank(self, gateway: str, *scripts: Path) -> None:
        """Show nothing but a video and run `scripts`, where the files of `gateway` may be read."""
        url = f"{gateway}/blank"
        answer = {"content_type": "text/html", "body": BLANK}
        self._browser.do(lambda: self._page.route(url, lambda route: route.fulfill(**answer)))
        self.open(url)
        for script in scripts:
            self._browser.do(lambda script=script: self._page.add_script_tag(path=str(script)))

    def start_dash(self, url: str) -> None:
        """Have dash.js read the manifest at `url`; its script is in the page. Nothing plays yet."""
        self.evaluate(_START_DASH, url)

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """Return what `function` returns for `argument`, in the page."""
        return self._browser.do(lambda: self._page.evaluate(function, argument))

    def play(self, *, speed: float = 1.0, muted: bool = True) -> None:
        silence = str(muted).lower()
        self.ask(f"(v.muted = {silence}, v.playbackRate = {speed}, v.play().catch(() => {{}}), true)")

    def ask(self, expression: str) -> Any:
        """Return what `expression` says of the video `v`."""
        return self._browser.do(lambda: self._page.evaluate(_OF_THE_VIDEO % expression))

    def await_that(self, expression: str) -> None:
        """Wait until `expression` of the video `v` holds.

        Raises:
            playwright.sync_api.TimeoutError: It did not, within the deadline.
        """
        self._browser.do(lambda: self._page.wait_for_function(_OF_THE_VIDEO % expression))

    def close(self) -> None:
        self._browser.do(self._page.close)


@pytest.fixture
def player(chromium: Browser) -> Iterator[Player]:
    player = Player(chromium)
    yield player
    player.close()


@pytest.fixture
def listener(chromium: Browser) -> Iterator[Player]:
    """A player whose page may run what `listening` adds, which the gateway's policy forbids."""
    player = Player(chromium, bypass_csp=True)
    yield player
    player.close()


@pytest.fixture(scope="session")
def finished(serve: Serve, example: Path) -> dict[str, Any]:
    """The example clip as a finished job."""
    job = serve.gateway.submit(str(example), preset="ultrafast", segment_s=2.0)
    return serve.gateway.await_job(job)
