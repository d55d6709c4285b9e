"""Units joined to one MP4, bit for bit: a lossless encode must show the source's own pictures."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import msgspec
from cinelog_common.cmaf.joining import join_mp4
from cinelog_common.cmaf.joinplan import JoinTrack, SegmentPlan
from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.domain.tasks import EncodeTask

OPEN_GOP = {"x264-params": "open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=3:b-pyramid=normal"}


def silent(done: int, total: int) -> None:
    pass


def test_a_lossless_film_in_units_is_the_source_frame_by_frame(studio: Any, tmp_path: Path) -> None:
    gaps = [512, 512, 1024, 256, 512, 2048] * 14
    times = [0]
    for gap in gaps:
        times.append(times[-1] + gap)
    footage = studio.make(studio.spec(pts=tuple(times), options=OPEN_GOP))
    recipe = studio.recipe(footage)
    lossless = msgspec.structs.replace(recipe.renditions[0], crf=0, max_rate_k=0)
    recipe = msgspec.structs.replace(recipe, renditions=(lossless,), max_segment_s=0.8)
    end = times[-1] + 512
    starts = [p.pts for p in footage.packets if p.flags & 1] + [end]

    paths, plans, init = [], [], b""
    for n, (start, stop) in enumerate(pairwise(starts)):
        folder = tmp_path / str(n)
        folder.mkdir()
        bundle = studio.bundle(folder / "b", footage, studio.cut(n=n, start=start, end=stop))
        task = EncodeTask(bundle=str(bundle), folder=str(folder), recipe=recipe, n=n)
        (rendition,) = encode_unit(task, silent).renditions
        init = rendition.init
        paths += [folder / part.file for part in rendition.parts]
        plans += [
            SegmentPlan(
                samples=part.frames, start=part.start, end=part.end, parameter_hash=rendition.init_hash
            )
            for part in rendition.parts
        ]
    track = JoinTrack(init=init, fragments=paths, kind="video", expected=plans)
    join_mp4([track], tmp_path / "film.mp4")

    decoder = BundleDecoder(footage.parameters, DecoderOptions(reorder_depth=4))
    source = [f for p in footage.packets for f in decoder.decode(p)] + list(decoder.flush())
    with av.open(tmp_path / "film.mp4") as film:
        stream = film.streams.video[0]
        shown = [(frame.pts, _luma(frame)) for frame in film.decode(stream)]
        assert stream.duration == end
    assert len(paths) > len(starts)
    assert shown == [(frame.pts, _luma(frame)) for frame in source]


def _luma(frame: av.VideoFrame) -> bytes:
    return frame.reformat(format="gray").to_ndarray().tobytes()
