"""Live playlists as a player gets them over HTTP: every version holds to RFC 8216, whatever the end."""

import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.hlsparsing import attributes, parse_playlist, unquoted
from cinelog_common.cmaf.hlsvalidation import duration_of, validate, validate_update
from cinelog_common.cmaf.initinfo import init_info
from cinelog_common.cmaf.playlists import peak_bit_rate
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.gateways import ENDED, RefusedError
from cinelog_testkit.hosting import hosted
from cinelog_testkit.serving import Serve, served
from cinelog_testkit.waiting import wait_until
from imageio_ffmpeg import get_ffmpeg_exe

END = "#EXT-X-ENDLIST\n"
WAY = "/film.mp4"
HARD = Film(frames=150, size=(512, 490), noise=True, options={"preset": "ultrafast", "qp": "8"})
QUICK: dict[str, Any] = {"profile": "ladder", "preset": "ultrafast", "segment_s": 1.0, "crf": 8}


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with served(tmp_path_factory.mktemp("serve"), "--allow-private-sources") as process:
        yield process


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six seconds of noise, which no encoder can make small."""
    return make_film(tmp_path_factory.mktemp("hard") / "hard.mp4", HARD).read_bytes()


class Watcher:
    """Follows the live playlists of one job as a player does, and keeps every version."""

    def __init__(self, serve: Serve, job: str) -> None:
        self._gateway = serve.gateway
        self._job = job
        self.versions: dict[str, list[str]] = {}
        self.snapshots: list[dict[str, str]] = []

    @property
    def latest(self) -> dict[str, str]:
        """The newest version of each playlist."""
        return {name: versions[-1] for name, versions in self.versions.items()}

    @property
    def media(self) -> dict[str, str]:
        """The newest version of each media playlist."""
        return {name: text for name, text in self.latest.items() if name != "master.m3u8"}

    def look(self) -> None:
        """Fetch the multivariant playlist and what it lists."""
        master = self._fetch("master.m3u8")
        if master is None:
            return
        texts = {"master.m3u8": master}
        for name in references(master):
            text = self._fetch(name)
            assert text is not None, f"{name} is listed before it is there"
            texts[name] = text
        for name, text in texts.items():
            known = self.versions.setdefault(name, [])
            if known[-1:] != [text]:
                known.append(text)
        self.snapshots.append(texts)

    def until(self, condition: Callable[[dict[str, Any]], bool], *, what: str) -> dict[str, Any]:
        """Look again and again until the job's snapshot meets `condition`; return the snapshot."""
        latest: dict[str, Any] = {}

        def met() -> bool:
            latest.update(self._gateway.show(self._job))
            self.look()
            return condition(latest)

        wait_until(met, deadline_s=90, what=what)
        return latest

    def _fetch(self, name: str) -> str | None:
        try:
            return self._gateway.file(self._job, f"live/{name}").decode()
        except RefusedError as refusal:
            if refusal.status == 404:
                return None
            raise

    def assert_sound(self) -> None:
        """Hold every version, alone and together, to the RFC, and each to the one before."""
        for snapshot in self.snapshots:
            assert validate(snapshot) == []
        for name, versions in self.versions.items():
            if name != "master.m3u8":
                assert [validate_update(old, new) for old, new in pairwise(versions)] == [[]] * (
                    len(versions) - 1
                )


def references(master: str) -> list[str]:
    playlist = parse_playlist(master)
    sounds = [attributes(tag) for tag in playlist.tags("EXT-X-MEDIA")]
    return [entry.uri for entry in playlist.entries] + [unquoted(one["URI"]) for one in sounds]


class Segments:
    """The segments of one media playlist, as bytes."""

    def __init__(self, url: str) -> None:
        text = fetched(url).decode()
        playlist = parse_playlist(text)
        (tag,) = playlist.tags("EXT-X-MAP")
        self.init = init_info(fetched(urljoin(url, unquoted(attributes(tag)["URI"]))))
        self.data = [fetched(urljoin(url, entry.uri)) for entry in playlist.entries]
        self.durations = [duration_of(entry) for entry in playlist.entries]
        self.target = int(playlist.value("EXT-X-TARGETDURATION") or 0)

    @property
    def starts(self) -> list[Fraction]:
        """When each begins, in seconds."""
        return [Fraction(read_fragment(data).base_time, self.init.timescale) for data in self.data]

    def peak(self) -> int:
        """The peak segment bit rate (RFC 8216, 4.1), in bits a second."""
        sizes = [(len(data), duration) for data, duration in zip(self.data, self.durations, strict=True)]
        return peak_bit_rate(sizes, self.target)


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def submitted(serve: Serve, url: str, **options: Any) -> tuple[str, Watcher]:
    job = serve.gateway.submit(url, **{**QUICK, **options})
    return job, Watcher(serve, job)


def ended(status: dict[str, Any]) -> bool:
    return status["state"] in ENDED


@pytest.fixture(scope="module")
def watched(serve: Serve, hard: bytes) -> Iterator[tuple[str, Watcher]]:
    """A ladder of hard content, followed from its first segment to its end."""
    with hosted(Origin()) as origin:
        job, watcher = submitted(serve, origin.serve(WAY, hard, Behaviour(rate_bps=len(hard) // 6)))
        status = watcher.until(ended, what="the end")
        assert status["state"] == "completed", status
        watcher.look()
        yield job, watcher


def test_every_version_of_every_playlist_holds_to_the_rfc_while_it_grows(
    watched: tuple[str, Watcher],
) -> None:
    _, watcher = watched

    assert len(watcher.versions["480p.m3u8"]) > 2
    assert not watcher.versions["480p.m3u8"][0].endswith(END)
    assert all(text.endswith(END) for text in watcher.media.values())
    assert sorted(watcher.media) == ["480p.m3u8", "490p.m3u8", "a0.m3u8"]
    watcher.assert_sound()


def test_what_a_player_chooses_by_never_changes_and_is_true(
    serve: Serve, watched: tuple[str, Watcher]
) -> None:
    job, watcher = watched
    first, *later = watcher.versions["master.m3u8"]
    base = f"{serve.gateway.url}/api/v1/jobs/{job}/files/live/"
    master = parse_playlist(first)
    sound = Segments(base + "a0.m3u8")

    assert later == []
    for entry in master.entries:
        tag = entry.tag("EXT-X-STREAM-INF")
        assert tag is not None
        said = attributes(tag)
        picture = Segments(base + entry.uri)
        assert unquoted(said["CODECS"]).split(",") == [picture.init.codec, sound.init.codec]
        assert said["RESOLUTION"] == f"{picture.init.width}x{picture.init.height}"
        assert Fraction(said["FRAME-RATE"]) == HARD.rate
        assert unquoted(said["AUDIO"]) == "sound"
        peak = picture.peak() + sound.peak()
        # The cap binds on noise, so this compares what was promised with what it was promised for.
        assert int(said["BANDWIDTH"]) / 4 < peak <= int(said["BANDWIDTH"])


def test_renditions_are_cut_at_the_same_frames_and_never_larger_than_the_source(
    serve: Serve, watched: tuple[str, Watcher]
) -> None:
    base = f"{serve.gateway.url}/api/v1/jobs/{watched[0]}/files/live/"
    large, small = (Segments(base + name) for name in ("490p.m3u8", "480p.m3u8"))

    assert (large.init.width, large.init.height) == HARD.size
    assert (small.init.width, small.init.height) == (500, 480)
    assert large.starts == small.starts
    assert large.durations == small.durations
    for one, other in zip(large.data, small.data, strict=True):
        frames, twins = read_fragment(one).samples, read_fragment(other).samples
        assert len(frames) == len(twins)
        # EXT-X-INDEPENDENT-SEGMENTS: each begins with a picture that needs no other.
        assert frames[0].sync
        assert [frame.sync for frame in frames] == [twin.sync for twin in twins]


@pytest.mark.parametrize("playlist", ["live/master.m3u8", "output/master.m3u8", "output/manifest.mpd"])
def test_another_player_reads_it_from_the_first_frame_to_the_last(
    serve: Serve, watched: tuple[str, Watcher], playlist: str
) -> None:
    url = f"{serve.gateway.url}/api/v1/jobs/{watched[0]}/files/{playlist}"
    everything = ["-map", "0:v:0", "-map", "0:v:1", "-map", "0:a:0", "-f", "null", "-"]
    argv = [get_ffmpeg_exe(), "-v", "error", "-stats", "-i", url, *everything]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    said = [line for line in done.stderr.replace("\r", "\n").splitlines() if line.strip()]
    assert done.returncode == 0
    assert said[-1].split("frame=")[1].split()[0] == str(HARD.frames)
    assert [line for line in said if not line.lstrip().startswith("frame=")] == []


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_a_run_without_a_result_closes_what_can_be_watched_of_it(
    serve: Serve, origin: Origin, hard: bytes, how: str
) -> None:
    slow = Behaviour(rate_bps=len(hard) // 8, cut_after=len(hard) * 2 // 3)
    job, watcher = submitted(serve, origin.serve(WAY, hard, slow), profile="web")
    watcher.until(lambda status: len(watcher.versions) > 1, what="something to watch")
    before = watcher.latest

    if how == "cancelled":
        serve.gateway.cancel(job)
    else:
        # The connection in hand is cut, and what it was to bring is not there any more.
        origin.serve(WAY, hard, Behaviour(status=404))
    status = watcher.until(ended, what="the end")
    watcher.look()

    assert status["state"] == how
    assert not any(text.endswith(END) for text in before.values())
    assert all(text.endswith(END) for text in watcher.media.values())
    for name, versions in watcher.versions.items():
        if name != "master.m3u8":
            assert all(validate_update(old, new) == [] for old, new in pairwise(versions))
            assert validate({name: versions[-1]}) == []
