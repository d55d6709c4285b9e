"""A picture that is passed through: fragments that play as the source does."""

from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.contract.values import AudioRecipe
from cinelog_download.children import decoding
from cinelog_download.domain.demuxing import Finished, FragmentCut, TrackBegun


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "closed.mkv", "hevc.mp4", "closed.avi"])
def test_a_copied_picture_has_every_frame_and_its_times(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    options = media.OPEN if name.startswith("open") else media.CLOSED
    film = media.Film(frames=60, options=options, audio="mp2" if name.endswith(("ts", "avi")) else "aac")
    if name.startswith("hevc"):
        film = media.Film(
            frames=60, codec="libx265", options={"preset": "ultrafast", "x265-params": media.X265}
        )
    path = films.make(name, film)

    told = media.demux([path], tmp_path, video="copy", audio=AudioRecipe(mode="copy"))

    begun = next(one for one in told if isinstance(one, TrackBegun) and one.kind == "video")
    cut = [one for one in told if isinstance(one, FragmentCut) and one.track == "v0"]
    parts = [Path(one.path).read_bytes() for one in cut]
    joined = tmp_path / "joined.mp4"
    joined.write_bytes(Path(begun.init_path).read_bytes() + b"".join(parts))
    with av.open(str(joined)) as container:
        frames = [decoding.picture_hash(frame) for frame in container.decode(video=0)]
    original = media.whole(path)
    assert frames == [original[pts] for pts in sorted(original)]
    assert shown_times(parts, begun.timescale) == pytest.approx(
        [pts * begun.time_base[0] / begun.time_base[1] for pts in sorted(original)]
    )
    covered = [read_fragment(part) for part in parts]
    assert [(one.start, one.end) for one in cut] == [
        (fragment.base_time, fragment.base_time + fragment.duration) for fragment in covered
    ]
    assert isinstance(told[-1], Finished)
    assert told[-1].units == 0
    assert set(told[-1].tracks) == {"v0", "a0"}


def shown_times(parts: list[bytes], timescale: int) -> list[float]:
    times = []
    for part in parts:
        fragment = read_fragment(part)
        at = fragment.base_time
        for sample in fragment.samples:
            times.append((at + sample.composition_offset) / timescale)
            at += sample.duration
    return sorted(times)
