import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category, CinelogError, TransientError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.network import Network
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.ports import Resolved
from cinelog_download.testing import Behaviour, Origin, pattern

OPEN = FetchPolicy(addresses=AddressPolicy(allow_private=True), answer_timeout_s=2.0, reserve_bytes=0)
STRICT = msgspec.structs.replace(OPEN, addresses=AddressPolicy())
DATA = pattern(3_000_000)

Scene = Callable[[Origin, Network], Awaitable[None]]


def play(scene: Scene, policy: FetchPolicy = OPEN, objects: FakeObjectStore | None = None) -> None:
    async def run() -> None:
        network = Network(policy, objects or FakeObjectStore(), SystemClock(), {})
        async with Origin() as origin, asyncio.timeout(20):
            try:
                await scene(origin, network)
            finally:
                await network.close()

    asyncio.run(run())


async def failure(resolving: Awaitable[Resolved]) -> CinelogError:
    with pytest.raises(CinelogError) as caught:
        await resolving
    assert caught.value.message.endswith(".")
    assert caught.value.action
    return caught.value


def test_a_file_on_the_web_is_asked_once_and_that_answer_is_the_download(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/My%20Film.mp4".replace("%20", " "), DATA).replace(" ", "%20")

        resolved = await network.resolver.resolve(Source(url=url))
        (only,) = resolved.inputs
        fetch = await network.fetcher.open(only, tmp_path / "part")
        await fetch.wait_for(0, 100_000)

        assert resolved.title == "My Film"
        assert (only.size, only.protocol, only.kind) == (len(DATA), "http", "both")
        assert origin.asked("/My Film.mp4")[0].headers["Range"] == "bytes=0-1048575"
        await asyncio.shield(fetch.complete)
        await fetch.close()
        assert (tmp_path / "part").read_bytes() == DATA
        assert origin.sent_twice("/My Film.mp4") == 0

    play(scene)


def test_what_nobody_goes_on_with_is_closed(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        resolved = await network.resolver.resolve(Source(url=url))

        await network.resolver.release(resolved)
        await network.resolver.release(resolved)

        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

    play(scene)


@pytest.mark.parametrize(
    ("behaviour", "data", "category"),
    [
        (Behaviour(status=404), DATA, Category.SOURCE_NOT_FOUND),
        (Behaviour(status=410), DATA, Category.SOURCE_NOT_FOUND),
        (Behaviour(), b"", Category.NOT_MEDIA),
        (Behaviour(ranges=False), b"", Category.NOT_MEDIA),
        (Behaviour(content_type="image/png"), b"\x89PNG\r\n\x1a\n", Category.NOT_MEDIA),
        (Behaviour(content_type="application/pdf"), b"%PDF-1.7", Category.NOT_MEDIA),
        (
            Behaviour(content_type="audio/mpeg", headers={"icy-name": "Radio"}),
            b"ID3" + bytes(5000),
            Category.UNSUPPORTED_SOURCE,
        ),
        (Behaviour(redirect_to="/a.mp4"), DATA, Category.SOURCE_UNREACHABLE),
        (Behaviour(redirect_to="ftp://example.com/a.mp4"), DATA, Category.UNSUPPORTED_SOURCE),
        (Behaviour(delay_s=5.0), DATA, Category.SOURCE_UNREACHABLE),
        (Behaviour(claimed_length=5000, ranges=False), b"\x00" * 100, Category.SOURCE_UNREACHABLE),
        (Behaviour(headers={"Content-Encoding": "br"}), DATA, Category.UNSUPPORTED_SOURCE),
    ],
)
def test_each_bad_answer_has_its_category(behaviour: Behaviour, data: bytes, category: Category) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", data, behaviour)

        error = await failure(network.resolver.resolve(Source(url=url)))

        assert error.category is category

    play(scene)


def test_a_port_where_nothing_listens_is_unreachable() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()

        error = await failure(network.resolver.resolve(Source(url=f"http://127.0.0.1:{port}/a.mp4")))

        assert error.category is Category.SOURCE_UNREACHABLE
        assert isinstance(error, TransientError)

    play(scene)


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    async def scene(_: Origin, network: Network) -> None:
        error = await failure(network.resolver.resolve(Source(url="http://no-such-host.invalid/a.mp4")))

        assert error.category is Category.SOURCE_UNREACHABLE

    play(scene)


def test_redirects_lead_to_the_file_and_its_name(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/film.mp4", DATA)
        origin.serve("/b", behaviour=Behaviour(redirect_to="/film.mp4"))
        url = origin.serve("/a", behaviour=Behaviour(redirect_to=origin.url("/b")))

        resolved = await network.resolver.resolve(Source(url=url))
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert resolved.title == "film"
        assert len(origin.asked("/a")) == 1
        assert (tmp_path / "part").read_bytes() == DATA

    play(scene)


def test_credentials_do_not_follow_a_redirect_to_another_origin() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        async with Origin() as other:
            target = other.serve("/film.mp4", DATA)
            url = origin.serve("/a", behaviour=Behaviour(redirect_to=target))
            url = url.replace("http://", "http://user:secret@")
            headers = {"Cookie": "id=1", "X-Token": "t", "Accept-Language": "de", "Range": "bytes=5-"}

            resolved = await network.resolver.resolve(Source(url=url, headers=headers))
            await network.resolver.release(resolved)

            (first,), (second,) = origin.asked("/a"), other.asked("/film.mp4")
            assert first.headers["Cookie"] == "id=1"
            assert first.headers["X-Token"] == "t"
            assert first.headers["Authorization"].startswith("Basic ")
            assert first.headers["Range"] == "bytes=0-1048575"
            assert first.headers["Accept-Encoding"] == "identity"
            assert not {"Cookie", "X-Token", "Authorization"} & set(second.headers)
            assert second.headers["Accept-Language"] == "de"

    play(scene)


@pytest.mark.parametrize("headers", [{"X-A": "b\r\nEvil: 1"}, {"X A": "b"}, {"": "b"}, {"X-A": "b" * 20_000}])
def test_headers_cannot_smuggle_in_others(headers: dict[str, str]) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)

        error = await failure(network.resolver.resolve(Source(url=url, headers=headers)))

        assert error.category is Category.INVALID_REQUEST
        assert origin.requests == []

    play(scene)


def test_a_private_address_is_refused_before_anything_is_asked() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)

        error = await failure(network.resolver.resolve(Source(url=url)))

        assert error.category is Category.SOURCE_REFUSED
        assert origin.requests == []

    play(scene, STRICT)


def test_a_name_that_leads_to_a_private_address_is_refused_when_connecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/a.mp4", DATA)
        name_leads_to(monkeypatch, "127.0.0.1")

        error = await failure(
            network.resolver.resolve(Source(url=f"http://films.example:{origin.port}/a.mp4"))
        )

        assert error.category is Category.SOURCE_REFUSED
        assert "loopback" in error.message
        assert origin.requests == []

    play(scene, STRICT)


def test_a_name_that_changes_its_address_after_the_check_is_refused_by_the_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/a.mp4", DATA)
        # The resolver's judgement is made to say yes, as a rebinding name server would have it.
        monkeypatch.setattr("cinelog_download.adapters.http.resolve_allowed", _resolve_anything)

        error = await failure(
            network.resolver.resolve(Source(url=f"http://films.example:{origin.port}/a.mp4"))
        )

        assert error.category is Category.SOURCE_REFUSED
        assert origin.requests == []

    play(scene, STRICT)


def test_a_redirect_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyFirst(AddressPolicy, frozen=True):
        """Lets the literal loopback address through, as if the first origin were public."""

        def refusal(self, address: str) -> str | None:
            return None if address == "127.0.0.1" else AddressPolicy().refusal(address)

    async def scene(origin: Origin, network: Network) -> None:
        for number, target in enumerate(("http://127.0.0.2/", "http://[::1]/", "http://0x7f.2/")):
            url = origin.serve(f"/{number}", behaviour=Behaviour(redirect_to=target))

            error = await failure(network.resolver.resolve(Source(url=url)))

            assert error.category is Category.SOURCE_REFUSED

    play(scene, msgspec.structs.replace(OPEN, addresses=OnlyFirst()))


def test_the_same_name_is_let_through_where_the_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/a.mp4", DATA)
        name_leads_to(monkeypatch, "127.0.0.1")

        resolved = await network.resolver.resolve(Source(url=f"http://films.example:{origin.port}/a.mp4"))

        await network.resolver.release(resolved)
        assert len(origin.requests) == 1

    play(scene)


def test_a_file_is_described_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Mein Film.mp4"
    path.write_bytes(DATA)
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret").write_bytes(b"x")

    async def scene(_: Origin, network: Network) -> None:
        for spelling in (str(path), path.as_uri()):
            resolved = await network.resolver.resolve(Source(url=spelling))
            (only,) = resolved.inputs
            assert (resolved.title, only.url, only.protocol) == ("Mein Film", str(path), "file")
            assert only.size == len(DATA)
        for name, category in (
            ("none.mp4", Category.SOURCE_NOT_FOUND),
            ("empty.mp4", Category.NOT_MEDIA),
            ("pipe", Category.UNSUPPORTED_SOURCE),
            (".", Category.UNSUPPORTED_SOURCE),
            ("a" * 300, Category.SOURCE_FORBIDDEN),
        ):
            error = await failure(network.resolver.resolve(Source(url=str(tmp_path / name))))
            assert error.category is category

    play(scene)


def test_files_are_refused_where_sources_come_from_strangers(tmp_path: Path) -> None:
    async def scene(_: Origin, network: Network) -> None:
        error = await failure(network.resolver.resolve(Source(url=str(tmp_path / "a.mp4"))))

        assert error.category is Category.SOURCE_REFUSED

    play(scene, STRICT)


def test_uploads_are_found_in_our_store_even_where_files_are_refused() -> None:
    objects = FakeObjectStore()

    async def scene(_: Origin, network: Network) -> None:
        await objects.create("uploads/u1/clip.mp4", DATA)

        resolved = await network.resolver.resolve(Source(url="upload://u1/clip.mp4"))
        error = await failure(network.resolver.resolve(Source(url="upload://u2")))

        assert resolved.title == "clip"
        assert (resolved.inputs[0].url, resolved.inputs[0].size) == ("uploads/u1/clip.mp4", len(DATA))
        assert error.category is Category.SOURCE_NOT_FOUND

    play(scene, STRICT, objects)


def test_the_first_byte_is_asked_for_at_once() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        await network.warm()
        began = time.monotonic()

        resolved = await network.resolver.resolve(Source(url=url))

        assert time.monotonic() - began < 1.0
        await network.resolver.release(resolved)

    play(scene)


def name_leads_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def look_up(host: str, port: int, **options: int) -> object:
        return await real(address if host == "films.example" else host, port, **options)

    monkeypatch.setattr(loop, "getaddrinfo", look_up)


async def _resolve_anything(host: str, port: int, policy: object, family: int = 0) -> list[object]:
    import socket

    from cinelog_download.adapters.names import Address

    return [Address(family=socket.AF_INET, address="127.0.0.1")]
