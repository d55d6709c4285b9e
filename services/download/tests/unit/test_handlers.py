"""Fetching a source: what is stored and told, and what doing it again changes (nothing)."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.contract import keys
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.events import Event, SegmentReady, SourceEnded, SourceProbed, TrackSegmentReady
from cinelog_common.contract.sidecars import CueSheet, Sidecar, decode_document
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.scratch import Scratch
from cinelog_download.domain.dashtexts import LostText
from cinelog_download.domain.demuxing import DemuxOrder, Message
from cinelog_download.handlers import FetchHandler, SourceChangedError, Tools
from cinelog_download.ports import Fetch, Input, Resolved, Subtitle

COMMAND = FetchSource(
    job="job", source=Source(url="http://films.example/film.mp4"), audio=AudioRecipe(), segment_s=1.0
)


class RecordingAnnouncer:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.steps: list[Progress] = []

    async def announce(self, event: Event) -> None:
        self.events.append(event)

    async def progress(self, progress: Progress) -> None:
        self.steps.append(progress)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class OneFileResolver:
    def __init__(self, extractor: str = "direct") -> None:
        self.resolved = 0
        self.subtitles: tuple[Subtitle, ...] = ()
        self.lost_texts: tuple[LostText, ...] = ()
        self._extractor = extractor

    async def resolve(self, source: Source) -> Resolved:
        self.resolved += 1
        return Resolved(
            title="A film",
            webpage_url=source.url,
            inputs=(Input(url=source.url),),
            extractor=self._extractor,
            subtitles=self.subtitles,
            lost_texts=self.lost_texts,
        )

    async def release(self, resolved: Resolved) -> None:
        pass


class OneFileFetcher:
    def __init__(self, fetches: Sequence[Any]) -> None:
        self.fetches = list(fetches)

    async def open(self, wanted: Input, part: Path) -> Fetch:
        return self.fetches.pop(0) if len(self.fetches) > 1 else self.fetches[0]


class ReplayingDemuxer:
    """Says again what a real demuxer said of the film; `stop_after` messages it dies."""

    def __init__(self, media: Any, path: Path, stop_after: int | None = None) -> None:
        self._media = media
        self._path = path
        self._stop_after = stop_after
        self.error: Exception = TransientError("the demuxer died")

    async def demux(self, order: DemuxOrder, fetches: Sequence[Fetch]) -> AsyncGenerator[Message, None]:
        paths = [] if order.texts else [self._path]
        told = self._media.demux(paths, Path(order.folder), regenerate=order.regenerate, texts=order.texts)
        for message in told[: self._stop_after]:
            yield message
        if self._stop_after is not None:
            raise self.error


class ExpiringDemuxer(ReplayingDemuxer):
    """Finds so many times that the address has expired, each time with more of the source there."""

    def __init__(self, media: Any, path: Path, *, times: int) -> None:
        super().__init__(media, path)
        self._left = times

    async def demux(self, order: DemuxOrder, fetches: Sequence[Fetch]) -> AsyncGenerator[Message, None]:
        if self._left > 0:
            self._left -= 1
            [fetch] = fetches
            await fetch.wait_for(fetch.bytes_fetched, 4096)
            raise PermanentError("403", category=Category.SOURCE_FORBIDDEN)
        async for message in super().demux(order, fetches):
            yield message


class TextsByAddress:
    """Knows what lies at an address; what it does not know is not found."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}

    async def fetch(self, subtitle: Subtitle, path: Path) -> None:
        if subtitle.url not in self.found:
            raise PermanentError("It is gone.", category=Category.SOURCE_NOT_FOUND)
        path.write_bytes(self.found[subtitle.url])


class Bench:
    """A handler with fakes round it."""

    def __init__(self, media: Any, film: Path, folder: Path) -> None:
        self.media = media
        self.film = film
        self.objects = FakeObjectStore()
        self.announcer = RecordingAnnouncer()
        self.resolver = OneFileResolver()
        self.fetch = media.TricklingFetch(film)
        self.demuxer = ReplayingDemuxer(media, film)
        self.texts = TextsByAddress()
        self.scratch = folder / "scratch"

    def run(self, command: FetchSource = COMMAND) -> None:
        tools = Tools(
            resolver=self.resolver,
            fetcher=OneFileFetcher([self.fetch]),
            demuxer=self.demuxer,
            texts=self.texts,
            objects=self.objects,
            announcer=self.announcer,
            clock=ManualClock(),
            folder=Scratch(self.scratch).folder,
        )
        asyncio.run(FetchHandler(tools)(command))


@pytest.fixture
def bench(films: Any, media: Any, tmp_path: Path) -> Bench:
    return Bench(media, films.make("handled.mp4"), tmp_path)


def test_everything_is_stored_before_it_is_told(bench: Bench) -> None:
    bench.run()

    kinds = [type(event).__name__ for event in bench.announcer.events]
    assert kinds[0] == "SourceProbed"
    assert kinds[-1] == "SourceEnded"
    ended = bench.announcer.of(SourceEnded)[0]
    assert ended.units == len(bench.announcer.of(SegmentReady)) > 1
    assert ended.tracks == ("a0",)
    for event in bench.announcer.of(SegmentReady):
        assert bench.objects.objects[event.key].info.size_bytes == event.size_bytes
    for event in bench.announcer.of(TrackSegmentReady):
        prefix = keys.encoded_prefix("job", 1, COMMAND.audio.hash, "a0")
        sidecar = decode_document(Sidecar, bench.objects.objects[keys.sidecar(prefix, event.n)].data)
        assert sidecar.parts[0].key == event.key
        assert sidecar.init_key in bench.objects.objects
    assert bench.announcer.steps[-1].stage == "fetch"


def test_the_scratch_folder_is_gone_at_the_end_and_inputs_are_closed(bench: Bench) -> None:
    bench.run()

    assert list(bench.scratch.iterdir()) == []
    assert bench.fetch.closed


def test_a_second_attempt_changes_nothing_and_tells_the_same(bench: Bench) -> None:
    bench.run()
    first = dict(bench.objects.objects)
    told = [event.id for event in bench.announcer.events]
    bench.announcer.events.clear()

    bench.run(msgspec.structs.replace(COMMAND, attempt=2))

    assert bench.objects.objects == first
    assert [event.id for event in bench.announcer.events] == told


@pytest.mark.parametrize("stop_after", [0, 1, 3, 5])
def test_an_attempt_that_died_is_completed_by_the_next(
    bench: Bench, films: Any, media: Any, stop_after: int
) -> None:
    bench.demuxer = ReplayingDemuxer(media, bench.film, stop_after)
    with pytest.raises(TransientError):
        bench.run()
    stored = dict(bench.objects.objects)
    bench.demuxer = ReplayingDemuxer(media, bench.film)

    bench.run()

    assert stored.items() <= bench.objects.objects.items()
    assert len(bench.announcer.of(SourceEnded)) == 1


def test_another_source_under_the_same_address_is_refused(bench: Bench, films: Any, media: Any) -> None:
    bench.run()
    bench.fetch = media.TricklingFetch(films.make("other.mp4", media.Film(frames=30)))

    with pytest.raises(SourceChangedError) as caught:
        bench.run()

    assert caught.value.category == Category.SOURCE_CHANGED


def test_a_broken_unit_is_stored_again_under_its_new_generation(bench: Bench) -> None:
    bench.run()
    bench.announcer.events.clear()

    bench.run(msgspec.structs.replace(COMMAND, attempt=2, regenerate={"1": 3}))

    again = [event for event in bench.announcer.of(SegmentReady) if event.n == 1]
    assert [(event.generation, event.key) for event in again] == [(3, keys.bundle("job", 1, 1, 3))]
    assert keys.bundle("job", 1, 1, 3) in bench.objects.objects


def test_a_fragment_of_another_attempt_is_told_as_it_is(bench: Bench) -> None:
    prefix = keys.encoded_prefix("job", 1, COMMAND.audio.hash, "a0")
    asyncio.run(bench.objects.create(keys.segment(prefix, 0), b"encoded on another processor"))

    bench.run()

    told = next(event for event in bench.announcer.of(TrackSegmentReady) if event.n == 0)
    sidecar = decode_document(Sidecar, bench.objects.objects[keys.sidecar(prefix, 0)].data)
    assert told.size_bytes == sidecar.parts[0].size_bytes == 28


def test_an_expired_address_is_resolved_once_more(bench: Bench, media: Any) -> None:
    bench.resolver = OneFileResolver("somesite")
    bench.demuxer = ReplayingDemuxer(media, bench.film, 2)
    bench.demuxer.error = PermanentError("403", category=Category.SOURCE_FORBIDDEN)

    with pytest.raises(PermanentError):
        bench.run()

    assert bench.resolver.resolved == 2


def test_an_address_that_expires_again_and_again_is_resolved_as_long_as_each_brings_more(
    bench: Bench, films: Any, media: Any
) -> None:
    bench.film = films.make("long.mp4", media.Film(frames=48, size=(320, 240)))
    bench.fetch = media.TricklingFetch(bench.film)
    bench.resolver = OneFileResolver("somesite")
    bench.demuxer = ExpiringDemuxer(media, bench.film, times=3)

    bench.run()

    assert bench.resolver.resolved == 4
    assert len(bench.announcer.of(SourceEnded)) == 1


def test_a_title_given_by_the_user_wins(bench: Bench) -> None:
    bench.run(msgspec.structs.replace(COMMAND, title="Mine"))

    assert bench.announcer.of(SourceProbed)[0].title == "Mine"


def test_part_files_outlive_an_attempt_but_not_a_lost_cause(bench: Bench, media: Any) -> None:
    folder = Scratch(bench.scratch).folder("job", 1)
    asyncio.run(folder.prepare())
    folder.part(0).write_bytes(b"so far")
    bench.demuxer = ReplayingDemuxer(media, bench.film, 2)
    with pytest.raises(TransientError):
        bench.run()
    assert folder.part(0).exists()
    assert not folder.made.exists()
    bench.demuxer.error = PermanentError("no film", category=Category.NOT_MEDIA)

    with pytest.raises(PermanentError):
        bench.run()

    assert not folder.part(0).exists()


def test_the_subtitles_of_a_page_are_stored_and_told_and_what_is_gone_or_broken_only_warned_of(
    bench: Bench,
) -> None:
    bench.resolver.subtitles = (
        Subtitle(url="http://films.example/en.srt", language="en", format="srt"),
        Subtitle(url="http://films.example/en.vtt", language="en", format="vtt"),
        Subtitle(url="http://films.example/gone.vtt", language="de", format="vtt"),
        Subtitle(url="http://films.example/pt.vtt", language="pt-BR", format="vtt"),
        Subtitle(url="http://films.example/broken.vtt", language="fr", format="vtt"),
        Subtitle(url="http://films.example/said.vtt", language="it", format="vtt", automatic=True),
    )
    bench.texts.found = {
        "http://films.example/en.vtt": b"WEBVTT\n\n00:00.500 --> 00:01.000\n<i>Hello</i> & <c.red>all</c>\n",
        "http://films.example/pt.vtt": b"\xef\xbb\xbfWEBVTT\r\n\r\n00:00.000 --> 00:01.000\r\nOl\xc3\xa1\r\n",
        "http://films.example/broken.vtt": bytes(range(256)) * 9,
    }

    bench.run()

    [ended] = bench.announcer.of(SourceEnded)
    assert [(one.name, one.language, one.title, one.cues) for one in ended.subtitles] == [
        ("s0", "eng", "", 1),
        ("s1", "por", "pt-BR", 1),
    ]
    sheets = [decode_document(CueSheet, bench.objects.objects[one.key].data) for one in ended.subtitles]
    assert [cue.text for sheet in sheets for cue in sheet.cues] == ["<i>Hello</i> &amp; all", "Olá"]
    assert ended.warnings[0] == "The subtitles in de are left out: It is gone."
    assert len(ended.warnings) == 2


def test_only_the_subtitles_that_are_asked_for_are_fetched_and_missing_ones_are_named(bench: Bench) -> None:
    bench.resolver.subtitles = (
        Subtitle(url="http://films.example/en.vtt", language="en"),
        Subtitle(url="http://films.example/de.vtt", language="de"),
    )
    bench.texts.found = {"http://films.example/de.vtt": b"WEBVTT\n\n00:00.500 --> 00:01.000\nHallo\n"}

    bench.run(msgspec.structs.replace(COMMAND, subtitles="deu"))
    bench.run(msgspec.structs.replace(COMMAND, subtitles="none"))
    bench.run(msgspec.structs.replace(COMMAND, subtitles="sv"))

    german, none, swedish = bench.announcer.of(SourceEnded)
    assert ([one.language for one in german.subtitles], german.warnings) == (["deu"], ())
    assert (none.subtitles, none.warnings) == ((), ())
    assert (swedish.subtitles, swedish.warnings) == ((), ("The source has no text subtitles in sv.",))


def test_texts_that_cannot_be_used_are_told_of_to_those_who_want_them(bench: Bench) -> None:
    bench.resolver.lost_texts = (LostText(language="de", why="They are TTML."),)

    for wanted in ("all", "de", "none", "sv"):
        bench.run(msgspec.structs.replace(COMMAND, subtitles=wanted))
    bench.run(msgspec.structs.replace(COMMAND, video="none"))

    lost = "The subtitles in de are left out: They are TTML."
    assert [ended.warnings for ended in bench.announcer.of(SourceEnded)] == [
        (lost,),
        (lost,),
        (),
        ("The source has no text subtitles in sv.",),
        (),
    ]
