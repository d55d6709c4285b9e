"""What is said of a result."""

from cinelog_common.contract.values import Loudness, Output, Subtitle, Track
from cinelog_storage.domain.metadata import metadata_of
from cinelog_storage.testing import FILM, a_publication
from msgspec.structs import replace

SOUND = Track(
    name="a0",
    kind="audio",
    codec="mp4a.40.2",
    recipe="r",
    init_key="k",
    timescale=48000,
    channels=2,
    sample_rate=48000,
)
PICTURE = Track(
    name="v0",
    kind="video",
    codec="hvc1.1",
    recipe="r",
    init_key="k",
    timescale=1,
    width=64,
    height=36,
    frame_rate=(25, 2),
)


def test_an_encoded_film_is_described() -> None:
    document = metadata_of(replace(a_publication(), tracks=(SOUND,)), [FILM])

    assert document["title"] == "A film"
    assert document["duration_s"] == 2.0
    assert document["video"]["codec"] == "h264"
    assert (document["video"]["width"], document["video"]["frames"]) == (640, 50)
    assert document["video"]["frame_rate"] == 25.0
    assert document["audio"] == [
        {"codec": "mp4a.40.2", "language": "und", "channels": 2, "sample_rate": 48000}
    ]
    assert document["outputs"][0]["file"] == "video.mp4"


def test_a_track_tells_its_name_and_how_loud_it_is() -> None:
    loudness = Loudness(integrated_lufs=-23.1, range_lu=4.2, true_peak_dbtp=-1.0)
    track = replace(SOUND, title="Commentary", loudness=loudness)

    [sound] = metadata_of(replace(a_publication(), tracks=(track,)), [FILM])["audio"]

    assert sound["title"] == "Commentary"
    assert sound["loudness"] == {"integrated_lufs": -23.1, "range_lu": 4.2, "true_peak_dbtp": -1.0}


def test_a_copied_picture_is_described_by_its_track() -> None:
    document = metadata_of(replace(a_publication(), recipe=None, tracks=(PICTURE,)), [FILM])

    assert document["video"] == {
        "codec": "hvc1.1",
        "width": 64,
        "height": 36,
        "frames": 50,
        "frame_rate": 12.5,
        "renditions": [],
    }


def test_sound_alone_has_no_video() -> None:
    output = Output(kind="audio", key="jobs/a/1/output/audio.m4a", size_bytes=1, duration_s=1.0)

    document = metadata_of(replace(a_publication(), tracks=(SOUND,)), [output])

    assert document["video"] is None


def test_subtitles_are_described() -> None:
    subtitle = Subtitle(name="s0", key="k", language="deu", title="Schilder", forced=True, cues=7)

    [found] = metadata_of(replace(a_publication(), subtitles=(subtitle,)), [FILM])["subtitles"]

    assert found == {
        "language": "deu",
        "title": "Schilder",
        "default": False,
        "forced": True,
        "hearing_impaired": False,
        "cues": 7,
    }
