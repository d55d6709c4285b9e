"""Pictures that were encoded elsewhere: open groups, and beginnings that are not to be seen."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.codec.context import Flags
from cinelog_common.cmaf.accessunits import sample_form
from cinelog_common.cmaf.checking import check_join, seams_of
from cinelog_common.cmaf.decoding import decode_seams
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.inits import VideoPresentation, video_init
from cinelog_common.cmaf.joining import JoinTrack, plan_join, write_join
from cinelog_common.cmaf.testing import number_in, numbered_frame

OPEN = "open-gop=1:bframes=3:b-adapt=0:scenecut=0:keyint=12:min-keyint=12:rc-lookahead=8"
FRAMES = 48
TICKS = 3600


def passed_through(folder: Path, *, hidden: int = 0) -> JoinTrack:
    """One stream with open groups, cut before its keyframes; the first `hidden` pictures lie before 0."""
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 160, 96, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.flags |= Flags.global_header
    encoder.options = {"preset": "ultrafast", "x264-params": OPEN}
    encoder.open()
    packets = []
    for number in range(FRAMES):
        frame = numbered_frame(number)
        frame.pts, frame.time_base = number, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    form = sample_form("h264", encoder.extradata)
    payload = [form(bytes(packet)) for packet in packets]
    samples = [
        Sample(
            size=len(data),
            duration=TICKS,
            composition_offset=((packet.pts or 0) - hidden - at) * TICKS,
            sync=packet.is_keyframe,
        )
        for at, (packet, data) in enumerate(zip(packets, payload, strict=True))
    ]
    cuts = [at for at, sample in enumerate(samples) if sample.sync]
    paths = [
        _written(folder, at, samples[at:end], payload[at:end])
        for at, end in zip(cuts, [*cuts[1:], FRAMES], strict=True)
    ]
    init = video_init(encoder, 90_000, VideoPresentation(width=160, height=96))
    return JoinTrack(init=init, fragments=paths, kind="video")


def _written(folder: Path, at: int, samples: Sequence[Sample], payload: Sequence[bytes]) -> Path:
    path = folder / f"{at:06d}.m4s"
    path.write_bytes(
        write_fragment(FragmentSpec(sequence=at + 1, base_time=at * TICKS, samples=samples), payload)
    )
    return path


def shown(path: Path) -> list[tuple[int, int]]:
    with av.open(path) as film:
        return [(number_in(frame), frame.pts or 0) for frame in film.decode(video=0)]


@pytest.mark.parametrize("hidden", [0, 5])
def test_open_groups_join_and_their_seams_are_proven(tmp_path: Path, hidden: int) -> None:
    plan = plan_join([passed_through(tmp_path, hidden=hidden)])

    write_join(plan, tmp_path / "film.mp4")

    check_join(tmp_path / "film.mp4", plan)
    assert len(seams_of(plan)) == 4
    assert decode_seams(tmp_path / "film.mp4", seams_of(plan)) == []


def test_what_lies_before_the_beginning_is_not_shown(tmp_path: Path) -> None:
    plan = plan_join([passed_through(tmp_path, hidden=5)])

    report = write_join(plan, tmp_path / "film.mp4")

    assert shown(tmp_path / "film.mp4") == [(number, (number - 5) * TICKS) for number in range(5, FRAMES)]
    assert report.duration_s == pytest.approx((FRAMES - 5) / 25)


def test_a_broken_picture_after_an_open_seam_is_still_found(tmp_path: Path) -> None:
    track = passed_through(tmp_path)
    broken = track.fragments[2]
    data = bytearray(broken.read_bytes())
    data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
    broken.write_bytes(bytes(data))
    plan = plan_join([track])
    write_join(plan, tmp_path / "film.mp4")

    problems = decode_seams(tmp_path / "film.mp4", seams_of(plan))

    # The leading pictures after the next seam refer to the broken ones.
    assert [problem.segment for problem in problems] == [path.name for path in track.fragments[2:4]]
