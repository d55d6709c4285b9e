import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from cinelog_common.cmaf.joining import JoinTrack
from cinelog_common.cmaf.testing import EncodedTrack, encode_clicks, encode_video

Interval = tuple[Sequence[int], int, int]


def intervals(pts: Sequence[int], end: int, *, cuts: Sequence[int]) -> list[Interval]:
    """The frames at `pts` cut before the frames numbered `cuts`; the last one stays until `end`."""
    edges = [0, *cuts, len(pts)]
    bounds = [*pts, end]
    return [(pts[a:b], bounds[a], bounds[b]) for a, b in itertools.pairwise(edges)]


def steady() -> list[Interval]:
    """25 fps, 60 frames in segments of 24, 24 and 12."""
    return intervals([at * 3600 for at in range(60)], 60 * 3600, cuts=(24, 48))


def varying() -> list[Interval]:
    """20 to 500 ms a frame, a hold of 2 s, and a segment of one frame."""
    steps_ms = [20, 40, 500, 33, 20, 20, 120, 41, 77, 2000, 20, 20, 35, 300, 20, 20, 41, 500, 20, 250, 20, 20]
    pts = [0]
    for step in steps_ms:
        pts.append(pts[-1] + step * 90)
    return intervals(pts, pts[-1] + 180 * 90, cuts=(7, 12, 13, 20))


def stored(folder: Path, name: str, track: EncodedTrack, *, kind: str) -> JoinTrack:
    """The segments as files, as a worker finds them."""
    paths = []
    for number, segment in enumerate(track.segments):
        path = folder / f"{name}-{number:06d}.m4s"
        path.write_bytes(segment)
        paths.append(path)
    return JoinTrack(init=track.init, fragments=paths, kind=kind)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> JoinTrack:
    return stored(tmp_path_factory.mktemp("pictures"), "video", encode_video(steady()), kind="video")


@pytest.fixture(scope="session")
def uneven_pictures(tmp_path_factory: pytest.TempPathFactory) -> JoinTrack:
    return stored(tmp_path_factory.mktemp("uneven"), "video", encode_video(varying()), kind="video")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> JoinTrack:
    """2.4 s, cut near the cuts of `pictures`."""
    track = encode_clicks(2.4, [0.96, 1.92])
    return stored(tmp_path_factory.mktemp("sound"), "audio", track, kind="audio")
