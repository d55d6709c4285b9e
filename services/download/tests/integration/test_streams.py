"""Recordings in pieces, picture by picture through the whole handler."""

import asyncio
import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.events import (
    Event,
    SegmentReady,
    SourceEnded,
    SourceProbed,
    TrackEnded,
    TrackOpened,
)
from cinelog_common.contract.sidecars import CueSheet, decode_document
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.errors import Category, CinelogError
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_download.adapters.demuxer import ChildDemuxer, DemuxerPolicy
from cinelog_download.adapters.network import Network
from cinelog_download.adapters.scratch import Scratch
from cinelog_download.children import decoding
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.handlers import FetchHandler, Tools
from cinelog_download.testing import Behaviour, Origin
from cinelog_fastio import BundleReader
from cinelog_testkit.textsamples import text_init, text_sample, text_segment
from Cryptodome.Cipher import AES

KEY = bytes(range(16))
IV = bytes(range(16, 32))
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".ts": "video/mp2t",
    ".m4s": "video/iso.segment",
}


class Result:
    """What came of a source: pictures in the order of showing, with their times in seconds."""

    def __init__(self, events: list[Event], store: Path) -> None:
        self.events = events
        self.pictures: list[tuple[Fraction, bytes]] = []
        base = Fraction(*self.of(SourceProbed)[0].video.time_base)
        for event in sorted(self.of(SegmentReady), key=lambda each: int(each.n)):
            with BundleReader.open(store / event.key) as reader:
                found = decoding.pictures(reader.parameters, list(reader))
            own = [(pts * base, digest) for pts, digest in found.items() if event.start <= pts < event.end]
            assert len(own) == event.frames
            self.pictures += sorted(own)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def digests(self) -> list[bytes]:
        return [digest for _, digest in self.pictures]

    @property
    def times(self) -> list[float]:
        return [float(at) for at, _ in self.pictures]


class Told:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def announce(self, event: Event) -> None:
        self.events.append(event)

    async def progress(self, progress: Progress) -> None:
        pass


Prepare = Callable[[Origin], str]


def fetch(folder: Path, prepare: Prepare) -> Result:
    """Fetch what `prepare` serves, through the handler."""

    async def run() -> Result:
        policy = FetchPolicy(addresses=AddressPolicy(allow_private=True), reserve_bytes=0)
        objects = FolderObjectStore(folder / "store", durable=False)
        network, demuxer, told = (
            Network(policy, objects, SystemClock(), {}),
            ChildDemuxer(DemuxerPolicy()),
            Told(),
        )
        tools = Tools(
            resolver=network.resolver,
            fetcher=network.fetcher,
            demuxer=demuxer,
            texts=network.texts,
            objects=objects,
            announcer=told,
            clock=SystemClock(),
            folder=Scratch(folder / "scratch").folder,
        )
        async with Origin() as origin, asyncio.timeout(60):
            try:
                source = Source(url=prepare(origin))
                await FetchHandler(tools)(
                    FetchSource(job="job", source=source, audio=AudioRecipe(), segment_s=1.0)
                )
            finally:
                await demuxer.close()
                await network.close()
        return Result(told.events, folder / "store")

    return asyncio.run(run())


class Pieces:
    """A film in segments: an init (none for transport streams), and about a second each."""

    def __init__(self, init: bytes, segments: list[bytes]) -> None:
        self.init = init
        self.segments = segments

    @property
    def all(self) -> bytes:
        return b"".join([self.init, *self.segments])


def copied(film: Path, target: Path, streams: str, **options: str) -> Path:
    """Copy a film's packets into another container."""
    with av.open(str(film)) as source, av.open(str(target), "w", container_options=options) as sink:
        used = [stream for stream in source.streams if streams in {"both", stream.type}]
        copies = {stream.index: sink.add_stream_from_template(stream) for stream in used}
        for packet in source.demux(*used):
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                sink.mux(packet)
    return target


def in_pieces(film: Path, folder: Path, kind: str = "fmp4", streams: str = "both") -> Pieces:
    """Cut a film's copy where fragments begin, or at every hundredth packet of a transport stream."""
    if kind == "mpegts":
        data = copied(film, folder / f"{film.stem}-{streams}.ts", streams).read_bytes()
        return Pieces(b"", [data[at : at + 188 * 100] for at in range(0, len(data), 188 * 100)])
    flags = {"movflags": "empty_moov+default_base_moof+delay_moov", "frag_duration": "1000000"}
    data = copied(film, folder / f"{film.stem}-{streams}.mp4", streams, **flags).read_bytes()
    starts = [at for at, name in boxes(data) if name == b"moof"]
    end = next(at for at, name in boxes(data) if name == b"mfra")
    return Pieces(data[: starts[0]], [data[start:stop] for start, stop in itertools.pairwise([*starts, end])])


def boxes(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 8 <= len(data):
        found.append((at, data[at + 4 : at + 8]))
        at += int.from_bytes(data[at : at + 4], "big")
    return found


def serve(origin: Origin, name: str, data: bytes | str) -> str:
    kind = TYPES.get(Path(name).suffix, "video/mp4")
    encoded = data.encode() if isinstance(data, str) else data
    return origin.serve(f"/{name}", encoded, Behaviour(content_type=kind))


def entries(pieces: Pieces, name: str, *, header: str = "") -> list[str]:
    """Return the lines of a playlist; `header` stands before the first segment."""
    lines = [header] if header else []
    lines += [f'#EXT-X-MAP:URI="{name}-init"'] if pieces.init else []
    for number in range(len(pieces.segments)):
        lines += ["#EXTINF:1.0,", f"{name}-{number}"]
    return lines


def playlist(*lines: str) -> str:
    head = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:5"]
    return "\n".join([*head, *lines, "#EXT-X-ENDLIST", ""])


def serve_pieces(origin: Origin, pieces: Pieces, name: str) -> None:
    serve(origin, f"{name}-init", pieces.init)
    for number, segment in enumerate(pieces.segments):
        serve(origin, f"{name}-{number}", segment)


@pytest.fixture(scope="module")
def film(films: Any, media: Any) -> Path:
    made: Path = films.make("streamed.mp4", media.Film(frames=120, options=media.OPEN))
    return made


@pytest.fixture(scope="module")
def other(films: Any, media: Any) -> Path:
    made: Path = films.make("advert.mp4", media.Film(frames=48, options=media.CLOSED, size=(80, 48)))
    return made


def check_whole(result: Result, media: Any, film: Path) -> None:
    assert result.digests == media.in_order(film)
    assert result.times == pytest.approx([n / 24 for n in range(len(result.times))], abs=1e-4)
    assert len(result.of(SegmentReady)) > 3
    (ended,) = result.of(SourceEnded)
    assert ended.tracks == ("a0",)


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_an_hls_recording_arrives_exactly(media: Any, film: Path, tmp_path: Path, kind: str) -> None:
    pieces = in_pieces(film, tmp_path, kind)

    def prepare(origin: Origin) -> str:
        serve_pieces(origin, pieces, "film")
        return serve(origin, "film.m3u8", playlist(*entries(pieces, "film")))

    check_whole(fetch(tmp_path, prepare), media, film)


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_ranges_of_one_file_arrive_exactly(media: Any, film: Path, tmp_path: Path, kind: str) -> None:
    pieces = in_pieces(film, tmp_path, kind)
    lines = [f'#EXT-X-MAP:URI="all.bin",BYTERANGE="{len(pieces.init)}@0"'] if pieces.init else []
    at = len(pieces.init)
    for segment in pieces.segments:
        lines += ["#EXTINF:1.0,", f"#EXT-X-BYTERANGE:{len(segment)}@{at}", "all.bin"]
        at += len(segment)

    def prepare(origin: Origin) -> str:
        serve(origin, "all.bin", pieces.all)
        return serve(origin, "film.m3u8", playlist(*lines))

    check_whole(fetch(tmp_path, prepare), media, film)


def encrypted(data: bytes, iv: bytes) -> bytes:
    padding = 16 - len(data) % 16
    return bytes(AES.new(KEY, AES.MODE_CBC, iv=iv).encrypt(data + bytes((padding,)) * padding))


def secret(pieces: Pieces, iv: bytes | None) -> Pieces:
    """Encrypt every piece; without an IV the media sequence number is one, from 5 on."""
    used = [(5 + number).to_bytes(16, "big") if iv is None else iv for number in range(len(pieces.segments))]
    segments = [encrypted(data, each) for data, each in zip(pieces.segments, used, strict=True)]
    init = encrypted(pieces.init, iv) if pieces.init and iv is not None else pieces.init
    return Pieces(init, segments)


def serve_secret(origin: Origin, pieces: Pieces, iv: bytes | None, key: bytes = KEY) -> str:
    serve(origin, "key.bin", key)
    serve_pieces(origin, secret(pieces, iv), "film")
    named = "" if iv is None else f",IV=0x{iv.hex()}"
    line = f'#EXT-X-KEY:METHOD=AES-128,URI="key.bin"{named}'
    lines = entries(pieces, "film", header=line)
    if iv is None and pieces.init:
        # An init section without a named IV cannot be encrypted (RFC 8216 4.3.2.5).
        lines[0], lines[1] = lines[1], lines[0]
    return serve(origin, "film.m3u8", playlist(*lines))


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
@pytest.mark.parametrize("iv", [None, IV], ids=["by number", "named"])
def test_an_encrypted_hls_recording_is_decrypted(
    media: Any, film: Path, tmp_path: Path, *, kind: str, iv: bytes | None
) -> None:
    pieces = in_pieces(film, tmp_path, kind)

    result = fetch(tmp_path, lambda origin: serve_secret(origin, pieces, iv))

    check_whole(result, media, film)


@pytest.mark.parametrize("key", [bytes(16), b"short"])
def test_a_wrong_key_is_damage_and_not_noise(film: Path, tmp_path: Path, key: bytes) -> None:
    pieces = in_pieces(film, tmp_path, "mpegts")

    with pytest.raises(CinelogError) as caught:
        fetch(tmp_path, lambda origin: serve_secret(origin, pieces, None, key))

    assert caught.value.category is Category.DAMAGED


def test_sound_of_its_own_comes_in_every_language(media: Any, film: Path, tmp_path: Path) -> None:
    video, sound = (in_pieces(film, tmp_path, streams=kind) for kind in ("video", "audio"))
    master = (
        "#EXTM3U\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",URI="de.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="en.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO="a"\nvideo.m3u8\n'
    )

    def prepare(origin: Origin) -> str:
        for name, pieces in (("video", video), ("de", sound), ("en", sound)):
            serve_pieces(origin, pieces, name)
            serve(origin, f"{name}.m3u8", playlist(*entries(pieces, name)))
        return serve(origin, "master.m3u8", master)

    result = fetch(tmp_path, prepare)

    assert result.digests == media.in_order(film)
    assert [event.track.name for event in result.of(TrackOpened)] == ["a0", "a1"]
    assert [event.track.language for event in result.of(TrackOpened)] == ["eng", "deu"]


def test_subtitles_in_playlists_of_their_own_come_along(film: Path, tmp_path: Path) -> None:
    text = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n{}\n"
    cues = (
        "00:00.500 --> 00:01.200\nOne\n",
        "00:00.500 --> 00:01.200\nOne\n\n00:01.400 --> 00:01.800\nTwo\n",
    )
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="English",LANGUAGE="en",URI="en.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="Gone",LANGUAGE="de",URI="gone.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="other",NAME="Other",LANGUAGE="fr",URI="en.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=9x9,SUBTITLES="t"\nvideo.m3u8\n'
    )

    def prepare(origin: Origin) -> str:
        pieces = in_pieces(film, tmp_path)
        serve_pieces(origin, pieces, "piece")
        serve(origin, "video.m3u8", playlist(*entries(pieces, "piece")))
        for number, own in enumerate(cues):
            serve(origin, f"text-{number}", text.format(own))
        serve(origin, "en.m3u8", playlist("#EXTINF:1.0,", "text-0", "#EXTINF:1.0,", "text-1"))
        return serve(origin, "master.m3u8", master)

    result = fetch(tmp_path, prepare)

    [ended] = result.of(SourceEnded)
    [english] = ended.subtitles
    assert (english.language, english.title) == ("eng", "English")
    sheet = decode_document(CueSheet, (tmp_path / "store" / english.key).read_bytes())
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in sheet.cues] == [
        (500, 1200, "One"),
        (1400, 1800, "Two"),
    ]
    [warning] = ended.warnings
    assert warning.startswith("The subtitles in de are left out: ")


@pytest.mark.parametrize(
    ("stated", "first_ms"), [("MPEGTS:0", 12_500), ("MPEGTS:900000", 2_500), ("MPEGTS:1080000", 500)]
)
def test_subtitles_go_by_the_clock_of_a_film_that_does_not_begin_at_zero(
    film: Path, tmp_path: Path, *, stated: str, first_ms: int
) -> None:
    late = copied(film, tmp_path / "late.ts", "both", output_ts_offset="12", muxdelay="0", muxpreload="0")
    with av.open(str(late)) as container:
        zero_ms = round(1000 * float(min(f.pts * f.time_base for f in container.decode(video=0))))
    data = late.read_bytes()
    pieces = Pieces(b"", [data[at : at + 188 * 100] for at in range(0, len(data), 188 * 100)])
    stamp = f"00:{first_ms // 1000:02d}.{first_ms % 1000:03d}"
    text = f"WEBVTT\nX-TIMESTAMP-MAP={stated},LOCAL:00:00:00.000\n\n{stamp} --> 00:16.000\nOne\n"
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="English",LANGUAGE="en",URI="en.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=9x9,SUBTITLES="t"\nvideo.m3u8\n'
    )

    def prepare(origin: Origin) -> str:
        serve_pieces(origin, pieces, "piece")
        serve(origin, "video.m3u8", playlist(*entries(pieces, "piece")))
        serve(origin, "text", text)
        serve(origin, "en.m3u8", playlist("#EXTINF:5.0,", "text"))
        return serve(origin, "master.m3u8", master)

    result = fetch(tmp_path, prepare)

    [english] = result.of(SourceEnded)[0].subtitles
    [cue] = decode_document(CueSheet, (tmp_path / "store" / english.key).read_bytes()).cues
    assert zero_ms > 10_000
    assert cue.start_ms == pytest.approx(12_500 - zero_ms, abs=1)


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_stretches_with_other_parameters_follow_each_other_without_a_hole(
    media: Any, film: Path, other: Path, tmp_path: Path, *, kind: str
) -> None:
    one, two = (in_pieces(each, tmp_path, kind) for each in (film, other))
    lines = [
        *entries(one, "one"),
        "#EXT-X-DISCONTINUITY",
        *entries(two, "two"),
        "#EXT-X-DISCONTINUITY",
        *entries(one, "one"),
    ]

    def prepare(origin: Origin) -> str:
        serve_pieces(origin, one, "one")
        serve_pieces(origin, two, "two")
        return serve(origin, "all.m3u8", playlist(*lines))

    result = fetch(tmp_path, prepare)

    wanted = [*media.in_order(film), *media.in_order(other), *media.in_order(film)]
    assert result.digests == wanted
    assert result.times == pytest.approx([n / 24 for n in range(len(wanted))], abs=2e-4)
    assert [event.warnings for event in result.of(SourceEnded)] == [()]


def test_sound_of_its_own_follows_the_picture_through_every_stretch(
    media: Any, film: Path, other: Path, tmp_path: Path
) -> None:
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="audio.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO="a"\nvideo.m3u8\n'
    )

    def prepare(origin: Origin) -> str:
        for kind in ("video", "audio"):
            lines = []
            for number, each in enumerate((film, other, film)):
                pieces = in_pieces(each, tmp_path, streams=kind)
                serve_pieces(origin, pieces, f"{kind}{number}")
                lines += ["#EXT-X-DISCONTINUITY", *entries(pieces, f"{kind}{number}")]
            serve(origin, f"{kind}.m3u8", playlist(*lines))
        return serve(origin, "master.m3u8", master)

    result = fetch(tmp_path, prepare)

    assert len(result.digests) == 288
    assert result.times == pytest.approx([n / 24 for n in range(288)], abs=2e-4)
    (ended,) = result.of(TrackEnded)
    assert ended.end / 48_000 == pytest.approx(12.0, abs=0.05)
    assert [event.warnings for event in result.of(SourceEnded)] == [()]


def representation(pieces: Pieces, name: str, form: str) -> str:
    """Return what stands inside a representation, its segments being said in one of the ways there are."""
    count = len(pieces.segments)
    whole = f"<BaseURL>{name}-all</BaseURL>"
    match form:
        case "numbers":
            return (
                f'<SegmentTemplate media="{name}-$Number$" initialization="{name}-init" startNumber="0" '
                f'duration="1" endNumber="{count - 1}"/>'
            )
        case "timeline":
            return (
                f'<SegmentTemplate media="{name}-$Number$" initialization="{name}-init" startNumber="0">'
                f'<SegmentTimeline><S t="0" d="1" r="{count - 1}"/></SegmentTimeline></SegmentTemplate>'
            )
        case "list":
            urls = "".join(f'<SegmentURL media="{name}-{number}"/>' for number in range(count))
            return f'<SegmentList duration="1"><Initialization sourceURL="{name}-init"/>{urls}</SegmentList>'
        case "ranges":
            at, urls = len(pieces.init), ""
            for segment in pieces.segments:
                urls += f'<SegmentURL mediaRange="{at}-{at + len(segment) - 1}"/>'
                at += len(segment)
            init = f'<Initialization range="0-{len(pieces.init) - 1}"/>'
            return f'{whole}<SegmentList duration="1">{init}{urls}</SegmentList>'
        case _:
            return f'{whole}<SegmentBase indexRange="0-1"/>'


def period(
    origin: Origin, folder: Path, film: Path, *, form: str = "timeline", seconds: int, sets: str = ""
) -> str:
    for kind in ("video", "audio"):
        pieces = in_pieces(film, folder, streams=kind)
        name = f"{film.stem}-{kind}"
        serve_pieces(origin, pieces, name)
        serve(origin, f"{name}-all", pieces.all)
        inside = representation(pieces, name, form)
        sets += (
            f'<AdaptationSet mimeType="{kind}/mp4"><Representation id="{kind}" bandwidth="1">{inside}'
            "</Representation></AdaptationSet>"
        )
    return f'<Period duration="PT{seconds}S">{sets}</Period>'


@pytest.mark.parametrize("form", ["numbers", "timeline", "list", "ranges", "one file each"])
def test_a_dash_presentation_arrives_exactly(media: Any, film: Path, tmp_path: Path, form: str) -> None:
    def prepare(origin: Origin) -> str:
        inside = period(origin, tmp_path, film, form=form, seconds=5)
        return serve(origin, "film.mpd", f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{inside}</MPD>')

    result = fetch(tmp_path, prepare)

    check_whole(result, media, film)
    assert result.of(SourceProbed)[0].inputs == 2


@pytest.mark.parametrize("form", ["timeline", "one file each"])
def test_periods_of_a_dash_presentation_follow_each_other(
    media: Any, film: Path, other: Path, tmp_path: Path, *, form: str
) -> None:
    def prepare(origin: Origin) -> str:
        inside = period(origin, tmp_path, film, form=form, seconds=5)
        inside += period(origin, tmp_path, other, form=form, seconds=2)
        return serve(origin, "film.mpd", f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{inside}</MPD>')

    result = fetch(tmp_path, prepare)

    wanted = [*media.in_order(film), *media.in_order(other)]
    assert result.digests == wanted
    assert result.times == pytest.approx([n / 24 for n in range(len(wanted))], abs=2e-4)


def texts(kind: str, language: str, inside: str, beside: str = "") -> str:
    return (
        f'<AdaptationSet {kind} lang="{language}">{beside}<Representation id="{language}" bandwidth="1">'
        f"{inside}</Representation></AdaptationSet>"
    )


def test_texts_of_a_dash_presentation_come_along_or_are_warned_of(
    film: Path, other: Path, tmp_path: Path
) -> None:
    first = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.000\nOne\n"
    second = "WEBVTT\n\n01:00.500 --> 01:00.900\nTwo\n\n00:03.500 --> 00:04.000\nBefore\n"
    segments = '<SegmentTemplate media="de-$Number$" initialization="de-init" duration="2" endNumber="2"/>'

    def prepare(origin: Origin) -> str:
        serve(origin, "one.vtt", first)
        serve(origin, "more.vtt", first.replace("900000", "990000").replace("One", "More"))
        serve(origin, "two-1", second)
        serve(origin, "de-init", text_init())
        serve(origin, "de-1", text_segment(1, 0, [(1500, text_sample()), (500, text_sample("Eins"))]))
        serve(origin, "de-2", text_segment(2, 2000, [(500, text_sample("Eins")), (500, text_sample("Zwei"))]))
        listed = '<SegmentList><SegmentURL media="one.vtt"/><SegmentURL media="more.vtt"/></SegmentList>'
        sets = texts('mimeType="text/vtt"', "en", listed, "<Label>English</Label>")
        sets += texts('mimeType="application/mp4" codecs="wvtt"', "de", segments)
        sets += texts('mimeType="text/vtt"', "sv", "<BaseURL>gone.vtt</BaseURL>")
        sets += texts('mimeType="application/mp4" codecs="stpp"', "fr", "<BaseURL>fr.mp4</BaseURL>")
        sets += texts('mimeType="text/vtt"', "it", "<BaseURL>one.vtt</BaseURL>", "<ContentProtection/>")
        inside = period(origin, tmp_path, film, seconds=5, sets=sets)
        # Rounding says that there is a second segment, and there is none.
        template = '<SegmentTemplate media="two-$Number$" duration="2" presentationTimeOffset="60"/>'
        sets = texts('mimeType="text/vtt"', "en", template, "<Label>English</Label>")
        inside += period(origin, tmp_path, other, seconds=2, sets=sets).replace("PT2S", "PT2.1S")
        return serve(origin, "film.mpd", f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">{inside}</MPD>')

    result = fetch(tmp_path, prepare)

    [ended] = result.of(SourceEnded)
    assert [(one.language, one.title) for one in ended.subtitles] == [("eng", "English"), ("deu", "")]
    sheets = [
        decode_document(CueSheet, (tmp_path / "store" / one.key).read_bytes()) for one in ended.subtitles
    ]
    assert [[(cue.start_ms, cue.end_ms, cue.text) for cue in sheet.cues] for sheet in sheets] == [
        [(1000, 2000, "More"), (1000, 2000, "One"), (5500, 5900, "Two")],
        [(1500, 2500, "Eins"), (2500, 3000, "Zwei")],
    ]
    gone, *left_out = ended.warnings
    assert gone.startswith("The subtitles in sv are left out: ")
    assert left_out == [
        "The subtitles in fr are left out: They are TTML (stpp), which Cinelog does not read.",
        "The subtitles in it are left out: They are protected (DRM).",
    ]
