"""Files of jobs over HTTP."""

import asyncio

import pytest
from cinelog_common.contract.status import JobState
from cinelog_common.contract.values import Output
from cinelog_common.errors import Category, TransientError
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.objects.testing import FakeObjectStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CONTENT = bytes(range(256)) * 5 + b"end"


async def film(g, content=CONTENT, **fields):
    """Submit a job with one file of each kind and return its id."""
    job = await g.job(**{"state": JobState.COMPLETED, **fields})
    run = g.ledger.states[job].run
    for path in ("output/video.mp4", "encoded/0a/v720/000000-000.g0.m4s", "source/plan.json"):
        await g.objects.create(f"jobs/{job}/{run}/{path}", content)
    await g.objects.replace(f"jobs/{job}/{run}/live/master.m3u8", b"#EXTM3U\n", if_match=None)
    return job


@pytest.fixture(name="stores", params=["memory", "folder"])
def _stores(request, tmp_path):
    if request.param == "memory":
        return FakeObjectStore
    return lambda: FolderObjectStore(tmp_path / "objects", durable=False)


class FarStore(FakeObjectStore):
    """An object store without files, as S3 is."""

    def local_path(self, key):
        return None


def test_a_file_is_served_whole_with_what_a_player_needs(gateway, stores):
    async def scenario():
        async with gateway(objects=stores()) as g:
            job = await film(g)

            answer = await g.http.get(f"/api/v1/jobs/{job}/files/output/video.mp4")

            assert (answer.status_code, answer.content) == (200, CONTENT)
            assert answer.headers["content-type"] == "video/mp4"
            assert answer.headers["content-length"] == str(len(CONTENT))
            assert answer.headers["accept-ranges"] == "bytes"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers
            assert "content-disposition" not in answer.headers

    asyncio.run(scenario())


def test_head_tells_the_size_and_sends_nothing(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(g)

            answer = await g.http.head(
                f"/api/v1/jobs/{job}/files/output/video.mp4", headers={"Range": "bytes=0-1"}
            )

            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-length"] == str(len(CONTENT))

    asyncio.run(scenario())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300),
    ranges=st.lists(
        st.tuples(st.none() | st.integers(0, 400), st.none() | st.integers(0, 400)), min_size=1, max_size=5
    ),
)
@pytest.mark.parametrize("store", [FakeObjectStore, FarStore])
def test_any_range_is_what_slicing_gives(gateway, store, content, ranges):
    async def scenario():
        async with gateway(objects=store()) as g:
            job = await film(g, content)
            for first, last in ranges:
                header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
                answer = await g.http.get(
                    f"/api/v1/jobs/{job}/files/output/video.mp4", headers={"Range": header}
                )
                _check_range(answer, content, first, last)

    asyncio.run(scenario())


def _check_range(answer, content, first, last):
    if first is None:
        nothing = last is None or (last > 0 and not content)
        start, end = (0, len(content)) if nothing else (max(0, len(content) - last), len(content))
        nothing_there = not nothing and last == 0
    else:
        nothing = last is not None and last < first
        start, end = first, len(content) if last is None else min(last + 1, len(content))
        nothing_there = not nothing and first >= len(content)
    if nothing:
        assert (answer.status_code, answer.content) == (200, content)
    elif nothing_there:
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{len(content)}"
    else:
        assert (answer.status_code, answer.content) == (206, content[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(content)}"
        assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("size", [0, 1, (256 << 10) - 1, (256 << 10) + 1, (2 << 20) + 3])
def test_large_files_come_in_chunks_and_whole(gateway, stores, size):
    async def scenario():
        content = (bytes(range(251)) * (size // 251 + 1))[:size]
        async with gateway(objects=stores()) as g:
            job = await film(g, content)

            whole = await g.http.get(f"/api/v1/jobs/{job}/files/output/video.mp4")
            tail = await g.http.get(
                f"/api/v1/jobs/{job}/files/output/video.mp4", headers={"Range": "bytes=1-"}
            )

            assert whole.content == content
            assert tail.status_code == (206 if size > 1 else 416)
            assert size <= 1 or tail.content == content[1:]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=0-1,5-9"}, 200),
        ({"Range": "bits=0-1"}, 200),
        ({"Range": "bytes=a-b"}, 200),
        ({"Range": "bytes=-"}, 200),
        ({"Range": "bytes=" + "9" * 5000 + "-"}, 416),
        ({"Range": "bytes=0-" + "9" * 5000}, 206),
        ({"Range": "bytes=٣-"}, 200),
        ({"Range": "BYTES = 0-1"}, 206),
        ({"Range": "bytes=0-1", "If-Range": "TAG"}, 206),
        ({"Range": "bytes=0-1", "If-Range": "W/TAG"}, 200),
        ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200),
        ({"Range": "bytes=0-1", "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200),
        ({"If-None-Match": "TAG"}, 304),
        ({"If-None-Match": "W/TAG"}, 304),
        ({"If-None-Match": '"a", TAG'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"a"'}, 200),
        ({"If-None-Match": '"a"', "Range": "bytes=0-0"}, 206),
    ],
)
def test_conditions_and_odd_ranges(gateway, headers, status):
    async def scenario():
        async with gateway() as g:
            job = await film(g)
            url = f"/api/v1/jobs/{job}/files/output/video.mp4"
            tag = (await g.http.head(url)).headers["etag"]
            sent = [(k, v.replace("TAG", tag).encode()) for k, v in headers.items()]

            answer = await g.http.get(url, headers=sent)

            assert answer.status_code == status
            assert status == 416 or answer.headers["etag"] == tag
            assert status != 304 or answer.content == b""

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "path",
    [
        "source/plan.json",
        "output/../source/plan.json",
        "output/%2e%2e/source/plan.json",
        "output/%252e%252e/source/plan.json",
        "output/..%2fsource%2fplan.json",
        "output%2f..%2f..%2f1%2fsource%2fplan.json",
        "output/..\\source\\plan.json",
        "output/%5c..%5c..%5cplan.json",
        "output/video.mp4%00",
        "output/%00/video.mp4",
        "output//video.mp4",
        "/output/video.mp4",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "etc/passwd",
        "output",
        "output/",
        "output/.hidden",
        "output/.",
        "OUTPUT/video.mp4",
        "output/video.mp4/",
        "output/" + "a" * 800,
        "output/" + "%ff%fe",
        "output/%ed%a0%80",
        "output/a\u202eb",
        "",
    ],
)
def test_nothing_but_the_readable_folders_can_be_reached(gateway, stores, path):
    async def scenario():
        async with gateway(objects=stores()) as g:
            job = await film(g)
            for base in (f"/api/v1/jobs/{job}/files/", f"/api/v1/jobs/{job}/runs/1/files/"):
                # As it stands: httpx would tidy the path up before it is sent.
                request = g.http.build_request("GET", "/")
                request.url = request.url.copy_with(raw_path=(base + path).encode("ascii", "ignore"))
                answer = await g.http.send(request)

                assert answer.status_code == 404
                assert set(answer.json()) == {"category", "message", "action"}

    asyncio.run(scenario())


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_no_path_leads_out_of_a_run(path):
    from cinelog_gateway.domain.paths import place

    found = place("6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001", 1, path)

    if found is not None:
        parts = found.key.split("/")
        assert parts[:3] == ["jobs", "6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001", "1"]
        assert parts[3] in {"live", "encoded", "output"}
        assert not {"", ".", ".."} & set(parts)
        assert "\\" not in found.key
        assert "\0" not in found.key


def test_addresses_of_a_run_may_be_kept_for_ever_others_are_asked_for_again(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(g)
            base = f"/api/v1/jobs/{job}"

            pinned = await g.http.get(f"{base}/runs/1/files/output/video.mp4")
            current = await g.http.get(f"{base}/files/output/video.mp4")
            live = await g.http.get(f"{base}/runs/1/files/live/master.m3u8")

            assert "immutable" in pinned.headers["cache-control"]
            assert current.headers["cache-control"] == "private, no-cache"
            assert live.headers["cache-control"] == "private, no-cache"
            assert live.headers["content-type"] == "application/vnd.apple.mpegurl"

    asyncio.run(scenario())


def test_after_a_retry_the_address_without_a_run_means_the_new_one(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(g)
            await g.objects.create(f"jobs/{job}/2/output/video.mp4", b"second")
            before = await g.http.get(f"/api/v1/jobs/{job}/runs/2/files/output/video.mp4")
            await g.http.post(f"/api/v1/jobs/{job}/retry")

            now = await g.http.get(f"/api/v1/jobs/{job}/files/output/video.mp4")
            old = await g.http.get(f"/api/v1/jobs/{job}/runs/1/files/output/video.mp4")

            assert (before.status_code, now.content, old.content) == (404, b"second", CONTENT)

    asyncio.run(scenario())


def test_uris_of_a_playlist_resolve_to_what_they_mean(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(
                g, state=JobState.ENCODING, playable=True, playlist_key="jobs/{job}/1/live/master.m3u8"
            )
            await g.ledger.change(job, playlist_key=f"jobs/{job}/1/live/master.m3u8")
            status = await g.seen(job, lambda s: s["links"]["playlist"] is not None)

            playlist = await g.http.get(status["links"]["playlist"])
            segment = await g.http.get(playlist.url.join("../encoded/0a/v720/000000-000.g0.m4s"))

            assert playlist.content == b"#EXTM3U\n"
            assert (segment.status_code, segment.content) == (200, CONTENT)
            assert segment.headers["content-type"] == "video/mp4"

    asyncio.run(scenario())


def test_a_growing_playlist_is_served_with_the_tag_of_its_bytes(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(g)
            url = f"/api/v1/jobs/{job}/files/live/master.m3u8"
            first = await g.http.get(url)
            unchanged = await g.http.get(url, headers={"If-None-Match": first.headers["etag"]})
            key = f"jobs/{job}/1/live/master.m3u8"
            info = await g.objects.head(key)
            await g.objects.replace(key, b"#EXTM3U\n#more\n", if_match=info.etag)
            second = await g.http.get(url, headers={"If-None-Match": first.headers["etag"]})

            assert (unchanged.status_code, second.status_code) == (304, 200)
            assert second.content == b"#EXTM3U\n#more\n"

    asyncio.run(scenario())


def test_a_download_is_named_after_the_title_whatever_that_holds(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(g, title='Ä/film "of"; filename=x.exe\r\nX: y')

            answer = await g.http.get(f"/api/v1/jobs/{job}/files/output/video.mp4?download")

            assert answer.headers["content-disposition"] == (
                'attachment; filename="_ film of ; filename=x.exe X y.mp4"; '
                "filename*=UTF-8''%C3%84%20film%20of%20%3B%20filename%3Dx.exe%20X%20y.mp4"
            )

    asyncio.run(scenario())


def test_what_a_browser_could_misread_is_only_saved(gateway):
    async def scenario():
        async with gateway() as g:
            job = await film(g)
            await g.objects.create(f"jobs/{job}/1/output/page.html", b"<script>")

            answer = await g.http.get(f"/api/v1/jobs/{job}/files/output/page.html")

            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert "default-src 'none'; media-src 'self'" in answer.headers["content-security-policy"]

    asyncio.run(scenario())


def test_outputs_say_where_they_are_read_and_foreign_keys_are_read_nowhere(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.COMPLETED)
            mine = Output(kind="mp4", key=f"jobs/{job}/1/output/a b.mp4", path="/home/me/a b.mp4", width=2)
            other = Output(kind="mp4", key="jobs/other/1/output/a.mp4")
            await g.ledger.change(job, outputs=(mine, other))
            status = await g.seen(job, lambda s: len(s["outputs"]) == 2)

            assert status["outputs"][0]["url"] == f"/api/v1/jobs/{job}/runs/1/files/output/a%20b.mp4"
            assert status["outputs"][1]["url"] is None
            assert "/home/me" not in str(status)

    asyncio.run(scenario())


@pytest.mark.parametrize("where", ["find", "middle"])
def test_a_store_that_fails_is_told_before_the_head_and_breaks_off_after_it(gateway, where):
    class Failing(FarStore):
        async def head(self, key):
            if where == "find":
                raise TransientError("no", category=Category.DEPENDENCY)
            return await super().head(key)

        async def get_range(self, key, start, length):
            if start:
                raise TransientError("no", category=Category.DEPENDENCY)
            return await super().get_range(key, start, 10)

    async def scenario():
        store = Failing()
        async with gateway(objects=store) as g:
            job = await g.job(state=JobState.COMPLETED)
            store._keep(f"jobs/{job}/1/output/video.mp4", CONTENT)
            url = f"/api/v1/jobs/{job}/files/output/video.mp4"
            if where == "find":
                answer = await g.http.get(url)
                assert (answer.status_code, answer.json()["category"]) == (503, "dependency")
            else:
                with pytest.raises(AssertionError):  # the transport's way to say that no end came
                    await g.http.get(url)

    asyncio.run(scenario())
