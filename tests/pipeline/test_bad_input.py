"""Sources and folders that cannot work: one clear sentence, what to do, and nothing half-written."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Behaviour, Origin, video_page
from cinelog_testkit.availability import give_up
from cinelog_testkit.commands import Finished, cinelog
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.hosting import hosted
from cinelog_testkit.serving import served
from cinelog_testkit.viewing import view

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n"
SEGMENT = b"#EXTINF:4.0,\nsegment-7.ts\n"
DRM = b'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://licence",KEYFORMAT="com.apple.streamingkeydelivery"\n'


class Trouble:
    """What the bad sources of this file are made of."""

    def __init__(self, folder: Path, origin: Origin, film: Path, stack: ExitStack | None = None) -> None:
        self.folder = folder
        self.origin = origin
        self.film = film
        self.stack = stack or ExitStack()

    def file(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


Make = Callable[[Trouble], str]
Mounted = Callable[..., tuple[Finished, set[str]]]


def unreachable(trouble: Trouble) -> str:
    # Held, so that nobody else gets this port, and nobody listens to it.
    held = trouble.stack.enter_context(socket.socket())
    held.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{held.getsockname()[1]}/film.mp4"


def unknown_host(_: Trouble) -> str:
    return "http://cinelog-has-no-such-host.invalid/film.mp4"


def missing_page(trouble: Trouble) -> str:
    return trouble.origin.url("/gone.mp4")


def forbidden(trouble: Trouble) -> str:
    return trouble.origin.serve("/secret.mp4", b"", Behaviour(status=403))


def html(trouble: Trouble) -> str:
    page = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in.</body></html>"
    return trouble.origin.serve("/film.mp4", page, Behaviour(content_type="text/html"))


def html_that_claims_to_be_video(trouble: Trouble) -> str:
    return trouble.origin.serve("/film.mp4", b"<!DOCTYPE html><html><body>Sorry</body></html>" * 20)


def page_without_video(trouble: Trouble) -> str:
    return trouble.origin.serve_page("/about-us", "<!DOCTYPE html><html><body><p>About us</p></body></html>")


def page_with_several_videos(trouble: Trouble) -> str:
    videos = [trouble.origin.serve(f"/{name}.mp4", trouble.film.read_bytes()) for name in ("one", "two")]
    players = "".join(f'<video src="{url}" type="video/mp4"></video>' for url in videos)
    return trouble.origin.serve_page("/watch/all", f"<!DOCTYPE html><html><body>{players}</body></html>")


def page_whose_video_is_gone(trouble: Trouble) -> str:
    return trouble.origin.serve_page("/watch", video_page(trouble.origin.url("/gone.mp4")))


def truncated(trouble: Trouble) -> str:
    data = trouble.film.read_bytes()
    return trouble.file("truncated.mp4", data[: len(data) // 2])


def truncated_after_its_index(trouble: Trouble) -> str:
    whole = make_film(trouble.folder / "whole.mp4", Film(frames=100, container={"movflags": "faststart"}))
    data = whole.read_bytes()
    return trouble.file("truncated.mp4", data[: len(data) * 2 // 3])


def truncated_matroska(trouble: Trouble) -> str:
    whole = make_film(trouble.folder / "whole.mkv", Film(frames=100))
    data = whole.read_bytes()
    return trouble.file("truncated.mkv", data[: len(data) // 2])


def cut_off_by_its_server(trouble: Trouble) -> str:
    data = trouble.film.read_bytes()
    return trouble.origin.serve("/film.mp4", data[: len(data) // 2], Behaviour(claimed_length=len(data)))


def encrypted(trouble: Trouble) -> str:
    keys = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7e61c37" * 4}
    film = Film(container={"encryption_scheme": "cenc-aes-ctr", **keys})
    return str(make_film(trouble.folder / "encrypted.mp4", film))


def unknown_codec(trouble: Trouble) -> str:
    head, entry, tail = trouble.film.read_bytes().rpartition(b"avc1\0\0\0\0")
    return trouble.file("unknown.mp4", head + b"zzzz" + entry[4:] + tail)


def drm_playlist(trouble: Trouble) -> str:
    kind = Behaviour(content_type="application/vnd.apple.mpegurl")
    return trouble.origin.serve("/drm.m3u8", PLAYLIST + DRM + SEGMENT + b"#EXT-X-ENDLIST\n", kind)


def live(trouble: Trouble) -> str:
    kind = Behaviour(content_type="application/vnd.apple.mpegurl")
    return trouble.origin.serve("/live.m3u8", PLAYLIST + SEGMENT, kind)


def empty(trouble: Trouble) -> str:
    return trouble.file("empty.mp4", b"")


def empty_over_http(trouble: Trouble) -> str:
    return trouble.origin.serve("/empty.mp4", b"")


def noise(trouble: Trouble) -> str:
    return trouble.file("noise.mp4", bytes(range(256)) * 64)


def no_such_file(trouble: Trouble) -> str:
    return str(trouble.folder / "nobody.mp4")


def folder(trouble: Trouble) -> str:
    return str(trouble.folder)


def text(trouble: Trouble) -> str:
    return trouble.file("notes.txt", b"Buy milk.\n")


CASES: list[tuple[Make, str]] = [
    (unreachable, "source_unreachable"),
    (unknown_host, "source_unreachable"),
    (missing_page, "source_not_found"),
    (forbidden, "source_forbidden"),
    (html, "unsupported_page"),
    (html_that_claims_to_be_video, "unsupported_page"),
    (page_without_video, "unsupported_page"),
    (page_with_several_videos, "unsupported_source"),
    (page_whose_video_is_gone, "source_not_found"),
    (truncated, "damaged"),
    (truncated_after_its_index, "damaged"),
    (truncated_matroska, "damaged"),
    (cut_off_by_its_server, "damaged"),
    (encrypted, "protected"),
    (unknown_codec, "unsupported_media"),
    (drm_playlist, "protected"),
    (live, "unsupported_source"),
    (empty, "not_media"),
    (empty_over_http, "not_media"),
    (noise, "not_media"),
    (no_such_file, "source_not_found"),
    (folder, "unsupported_source"),
    (text, "not_media"),
]


def assert_clear(done: Finished, category: str) -> None:
    """One category, one sentence, what to do, and nothing of how it came about inside."""
    assert done.code == 1, f"{done.out}\n{done.err}"
    error = done.result["error"]
    assert done.result["state"] == "failed"
    assert error["category"] == category, error
    assert error["message"].rstrip().endswith((".", "!", "?")), error
    assert "\n" not in error["message"], error
    assert error["action"], error
    assert done.result["outputs"] == []
    assert "Traceback" not in done.err
    assert "Error(" not in error["message"]


def assert_nothing_visible(out: Path) -> None:
    if out.exists():
        assert [path.name for path in out.iterdir() if path.name != ".cinelog"] == []


AT_ONCE = 4
"""Calls: some wait for long before they give a source up, and all begin by loading what they need."""


@pytest.fixture(scope="module")
def calls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, film: Path
) -> Iterator[dict[str, Future[tuple[Finished, Path]]]]:
    """The command called with each chosen bad source, several at once; each has its own site and folder."""
    chosen = {
        item.callspec.params["make"]: None
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "make" in item.callspec.params
    }
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
        origins = {make: stack.enter_context(hosted(Origin())) for make in chosen}

        def call(make: Make) -> tuple[Finished, Path]:
            folder = tmp_path_factory.mktemp(make.__name__)
            (folder / "sources").mkdir()
            source = make(Trouble(folder / "sources", origins[make], film, stack))
            out = folder / "out"
            return cinelog("run", source, "--out", out, "--json", "--preset", "ultrafast", deadline_s=90), out

        yield {make.__name__: pool.submit(call, make) for make in chosen}


@pytest.mark.parametrize(("make", "category"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_bad_source_ends_in_one_clear_sentence_and_leaves_nothing(
    calls: dict[str, Future[tuple[Finished, Path]]], make: Make, *, category: str
) -> None:
    done, out = calls[make.__name__].result()

    assert_clear(done, category)
    assert_nothing_visible(out)


def test_bad_sources_fail_beside_a_sound_job_that_goes_on(tmp_path: Path, origin: Origin, film: Path) -> None:
    trouble = Trouble(tmp_path, origin, film)
    slow = origin.serve("/sound.mp4", film.read_bytes(), Behaviour(rate_bps=film.stat().st_size // 4))
    quick = {"preset": "ultrafast", "segment_s": 1.0}

    with served(tmp_path, "--allow-private-sources") as serve:
        gateway = serve.gateway
        sound = gateway.submit(slow, **quick)
        bad = [gateway.submit(make(trouble), **quick) for make in (truncated, noise, missing_page, encrypted)]
        ends = [gateway.await_job(job) for job in bad]
        during = gateway.show(sound)["state"]
        end = gateway.await_job(sound)
        result = gateway.download(sound, "mp4", tmp_path / "result.mp4")

    told = [status["error"]["category"] for status in ends]
    assert told == ["damaged", "not_media", "source_not_found", "protected"]
    assert [status["outputs"] for status in ends] == [[]] * 4
    assert during != "failed"
    assert end["state"] == "completed", end
    assert view(result).numbers == view(film).numbers


def test_after_a_failure_the_same_call_succeeds_once_the_source_is_there(
    tmp_path: Path, origin: Origin, film: Path, convert: Any
) -> None:
    url = origin.url("/film.mp4")
    failed = cinelog("run", url, "--out", tmp_path / "out", "--json", "--preset", "ultrafast")
    origin.serve("/film.mp4", film.read_bytes())

    done = convert(url)

    assert failed.code == 1
    assert done.result["job_id"] == failed.result["job_id"]
    assert done.output("mp4")["frames"] == 100


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path, film: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    done = cinelog("run", film, "--out", tmp_path / "file" / "out", "--json")

    assert_clear(done, "not_writable")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_disk_that_may_only_be_read_cannot_be_written(film: Path, mounted: Mounted) -> None:
    done, left = mounted("ro", "run", film, "--json")

    assert_clear(done, "not_writable")
    assert left == set()


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, mounted: Mounted) -> None:
    large = Film(frames=250, size=(320, 180), noise=True, options={"preset": "ultrafast", "qp": "8"})
    source = make_film(tmp_path / "large.mp4", large)

    done, left = mounted("size=6m", "run", source, "--json", "--preset", "ultrafast", "--crf", "4")

    assert_clear(done, "no_space")
    assert left == {".cinelog"}


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """Run the command with its folder on a disk of its own, and list what is there afterwards."""
    disk = tmp_path / "disk"
    disk.mkdir()
    program = shutil.which("unshare") or "unshare"
    probe = [program, "-rm", "mount", "-t", "tmpfs", "tmpfs", str(disk)]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        give_up("No disk of its own can be mounted here.")

    def call(options: str, *words: str | Path) -> tuple[Finished, set[str]]:
        script = f'mount -t tmpfs -o {options} tmpfs {disk} && "$@" --out {disk}; code=$?; '
        script += f"ls -A {disk} > {tmp_path}/left; exit $code"
        done = cinelog(*words, before=(program, "-rm", "sh", "-c", script, "sh"))
        return done, set((tmp_path / "left").read_text().split())

    return call


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_required_hardware_that_is_not_here_is_refused_before_the_source_is_touched(
    tmp_path: Path, origin: Origin, film: Path, words: tuple[str, ...]
) -> None:
    url = origin.serve("/film.mp4", film.read_bytes())
    required = ("--hardware", "require", "--vendor", "nvidia", *words)

    said = cinelog("run", url, "--out", tmp_path / "out", *required)
    done = cinelog("run", url, "--out", tmp_path / "out", "--json", *required)

    assert (said.code, done.code) == (2, 2)
    assert "Hardware of nvidia is required" in said.err
    assert done.result["error"]["category"] == "invalid_request"
    assert "cinelog doctor" in done.result["error"]["action"]
    assert origin.asked("/film.mp4") == []
    assert not (tmp_path / "out").exists()
