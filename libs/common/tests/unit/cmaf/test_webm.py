from pathlib import Path

import av
import pytest
from cinelog_common.cmaf.joining import JoinTags, JoinTrack, join_mp4
from cinelog_common.cmaf.testing import VideoRecipe, encode_video, number_in
from cinelog_common.cmaf.webm import remux
from cinelog_common.errors import PermanentError


@pytest.mark.parametrize("name", ["film.webm", "film.mkv"])
def test_a_vp9_film_keeps_every_frame_in_webm(name: str, tmp_path: Path) -> None:
    options = (("deadline", "realtime"), ("cpu-used", "8"))
    encoded = encode_video(
        [([0, 3600, 7200], 0, 10800), ([10800, 14400], 10800, 18000)],
        VideoRecipe(encoder="libvpx-vp9", options=options),
    )
    paths = []
    for number, segment in enumerate(encoded.segments):
        paths.append(tmp_path / f"{number}.m4s")
        paths[-1].write_bytes(segment)
    join_mp4(
        [JoinTrack(init=encoded.init, fragments=paths, kind="video")],
        tmp_path / "film.mp4",
        JoinTags(title="Film"),
    )

    remux(tmp_path / "film.mp4", tmp_path / name)

    with av.open(tmp_path / name) as film:
        frames = [(number_in(frame), frame.pts) for frame in film.decode(video=0)]
        assert film.metadata["title"] == "Film"
    assert frames == [(number, number * 40) for number in range(5)]
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_webm_refuses_what_browsers_would_not_play(pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([pictures], tmp_path / "film.mp4")

    with pytest.raises(PermanentError, match="WebM holds no h264"):
        remux(tmp_path / "film.mp4", tmp_path / "film.webm")

    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_missing_film_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"film\.webm cannot be written"):
        remux(tmp_path / "gone.mp4", tmp_path / "film.webm")
