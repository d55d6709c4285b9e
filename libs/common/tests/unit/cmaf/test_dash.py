"""The manifest read back as 23009-1 wants it read: by an eye of its own, not by the writer's."""

from fractions import Fraction
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cinelog_common.cmaf.dash import DashSegment, Representation, write_manifest
from cinelog_common.cmaf.playlists import PlaylistError
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

NS = {"d": "urn:mpeg:dash:schema:mpd:2011"}


def segments(*lengths: int, size: int = 1000, prefix: str = "v/") -> list[DashSegment]:
    found, at = [], 0
    for number, length in enumerate(lengths):
        found.append(DashSegment(uri=f"{prefix}{number}.m4s", start=at, end=at + length, size_bytes=size))
        at += length
    return found


PICTURE = Representation(
    name="720p",
    kind="video",
    codec="avc1.64001f",
    init="v/init.mp4",
    timescale=1000,
    segments=segments(4000, 4000, 4000, 500),
    width=1280,
    height=720,
    frame_rate=Fraction(30000, 1001),
)
SOUND = Representation(
    name="a0",
    kind="audio",
    codec="mp4a.40.2",
    init="a/init.mp4",
    timescale=48000,
    segments=segments(192512, 191488, 216000, prefix="a/"),
    channels=2,
    sample_rate=48000,
    language="de",
)


def parsed(*representations: Representation) -> ET.Element:
    return ET.fromstring(write_manifest(representations))


def timeline(representation: ET.Element) -> list[tuple[int, int]]:
    """(start, end) of every segment, in ticks, as 5.3.9.6.2 derives them."""
    found: list[tuple[int, int]] = []
    for entry in representation.findall("d:SegmentList/d:SegmentTimeline/d:S", NS):
        at = int(entry.attrib.get("t", found[-1][1] if found else 0))
        for _ in range(int(entry.attrib.get("r", 0)) + 1):
            found.append((at, at + int(entry.attrib["d"])))
            at = found[-1][1]
    return found


def seconds(duration: str) -> Fraction:
    assert duration.startswith("PT")
    assert duration.endswith("S")
    return Fraction(duration[2:-1])


def test_the_manifest_is_static_and_lasts_as_long_as_its_longest_track() -> None:
    root = parsed(PICTURE, SOUND)

    assert root.tag == "{urn:mpeg:dash:schema:mpd:2011}MPD"
    assert root.attrib["type"] == "static"
    assert root.attrib["profiles"] == "urn:mpeg:dash:profile:isoff-main:2011"
    assert seconds(root.attrib["mediaPresentationDuration"]) == Fraction("12.5")
    assert seconds(root.attrib["maxSegmentDuration"]) == Fraction("4.5")
    assert len(root.findall("d:Period", NS)) == 1


def test_every_segment_has_a_line_and_an_address_of_its_own_equal_ones_too() -> None:
    (representation,) = parsed(PICTURE).findall(".//d:Representation", NS)

    lines = representation.findall(".//d:S", NS)
    urls = [url.attrib["media"] for url in representation.findall("d:SegmentList/d:SegmentURL", NS)]
    assert [line.attrib for line in lines] == [
        {"t": "0", "d": "4000"},
        {"t": "4000", "d": "4000"},
        {"t": "8000", "d": "4000"},
        {"t": "12000", "d": "500"},
    ]
    assert urls == [segment.uri for segment in PICTURE.segments]
    assert timeline(representation) == [(one.start, one.end) for one in PICTURE.segments]
    init = representation.find("d:SegmentList/d:Initialization", NS)
    assert init is not None
    assert init.attrib == {"sourceURL": "v/init.mp4"}


def test_sizes_of_one_picture_may_be_switched_and_sounds_may_be_chosen() -> None:
    smaller = replace(PICTURE, name="480p", width=854, height=480)
    english = replace(SOUND, name="a1", language="en")

    sets = parsed(PICTURE, smaller, SOUND, english).findall(".//d:AdaptationSet", NS)

    names = [[one.attrib["id"] for one in own.findall("d:Representation", NS)] for own in sets]
    assert names == [["720p", "480p"], ["a0"], ["a1"]]
    assert [own.attrib["contentType"] for own in sets] == ["video", "audio", "audio"]
    assert [own.attrib.get("lang") for own in sets] == [None, "de", "en"]
    roles = [own.find("d:Role", NS) for own in sets]
    assert [role.attrib["value"] for role in roles if role is not None] == ["main", "main", "alternate"]
    assert len({own.attrib["id"] for own in sets}) == 3
    assert (sets[0].attrib["maxWidth"], sets[0].attrib["maxHeight"]) == ("1280", "720")
    assert all(own.attrib["segmentAlignment"] == "true" for own in sets)


def test_a_picture_says_what_a_player_chooses_by() -> None:
    anamorphic = replace(PICTURE, sar=(64, 45))

    (representation,) = parsed(anamorphic).findall(".//d:Representation", NS)

    assert representation.attrib == {
        "id": "720p",
        "codecs": "avc1.64001f",
        "bandwidth": "16000",
        "width": "1280",
        "height": "720",
        "sar": "64:45",
        "frameRate": "30000/1001",
    }


@pytest.mark.parametrize(("channels", "configuration"), [(1, "1"), (2, "2"), (6, "6"), (8, "12")])
def test_a_sound_says_where_its_loudspeakers_stand(channels: int, configuration: str) -> None:
    (representation,) = parsed(replace(SOUND, channels=channels)).findall(".//d:Representation", NS)

    said = representation.find("d:AudioChannelConfiguration", NS)
    assert said is not None
    assert said.attrib["value"] == configuration
    assert representation.attrib["audioSamplingRate"] == "48000"


def test_a_high_dynamic_range_is_said() -> None:
    (element,) = parsed(replace(PICTURE, transfer=16)).findall(".//d:SupplementalProperty", NS)

    assert element.attrib["value"] == "16"


def test_names_that_xml_would_misread_are_escaped() -> None:
    odd = replace(PICTURE, segments=[replace(PICTURE.segments[0], uri='a&b<"c">.m4s')])

    (url,) = parsed(odd).findall(".//d:SegmentURL", NS)

    assert url.attrib["media"] == 'a&b<"c">.m4s'


@pytest.mark.parametrize(
    "broken",
    [
        [],
        [replace(PICTURE, segments=[])],
        [replace(PICTURE, segments=[replace(PICTURE.segments[0], end=0)])],
        [replace(PICTURE, segments=[PICTURE.segments[1], PICTURE.segments[0]])],
    ],
)
def test_what_cannot_be_played_is_no_manifest(broken: Any) -> None:
    with pytest.raises(PlaylistError):
        write_manifest(broken)


LENGTHS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([1, 999, 1000, 1001, 5005]),
        st.integers(1, 10**9),
    ),
    min_size=1,
    max_size=40,
)


@given(LENGTHS, st.sampled_from([1, 1000, 90_000, 24_000_000]))
def test_every_time_is_read_back_and_no_segment_is_late(
    rows: list[tuple[int, int, int]], timescale: int
) -> None:
    found, at = [], 0
    for number, (gap, length, size) in enumerate(rows):
        found.append(DashSegment(uri=f"{number}", start=at + gap, end=at + gap + length, size_bytes=size))
        at += gap + length
    root = parsed(replace(PICTURE, segments=found, timescale=timescale))

    (representation,) = root.findall(".//d:Representation", NS)
    assert timeline(representation) == [(one.start, one.end) for one in found]
    assert len(representation.findall(".//d:SegmentURL", NS)) == len(found)
    # 5.3.5.2: at this bandwidth, from any segment on, everything is there when it is due.
    bandwidth = int(representation.attrib["bandwidth"])
    buffered = seconds(root.attrib["minBufferTime"])
    for first in range(len(found)):
        got = Fraction(0)
        for one in found[first:]:
            got += Fraction(one.size_bytes * 8, bandwidth)
            assert got <= buffered + Fraction(one.start - found[first].start, timescale)
