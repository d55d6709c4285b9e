"""A target quality is found with every encoder, on real pictures of little size."""

from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_common.contract.quality import QualityGoal
from cinelog_fastio import KEYFRAME, Packet, StreamParameters
from cinelog_transcode.children.quality import measure
from cinelog_transcode.domain.quality import LadderSearch
from cinelog_transcode.domain.tasks import QualityTask
from msgspec.structs import replace

ENCODERS = [
    ("libx264", "h264", 23),
    ("libx265", "hevc", 26),
    ("libsvtav1", "av1", 32),
    ("libvpx-vp9", "vp9", 33),
]
CLIP = Path(__file__).parents[4] / "examples" / "big-buck-bunny.mp4"
FRAMES = 40
MOST_TRIES = 4
CLOSE = 0.03
"""How much better than the target a result may be that was found in so few tries."""


def footage_of(studio: Any, path: Path) -> Any:
    """Return the packets of a film's beginning, on the timeline."""
    like = studio.make(studio.spec(pts=(0,)))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = [packet for packet in islice(container.demux(stream), FRAMES + 30) if packet.size]
        zero = min(packet.pts for packet in found if packet.pts is not None)
        base = (stream.time_base or Fraction(1)).as_integer_ratio()
        parameters = StreamParameters(
            codec="h264", extradata=stream.codec_context.extradata or b"", time_base=base
        )
        video = replace(like.video, width=stream.width, height=stream.height, time_base=base)
    packets = tuple(
        Packet(
            data=bytes(packet),
            pts=(packet.pts or 0) - zero,
            dts=None,
            flags=KEYFRAME if packet.is_keyframe else 0,
        )
        for packet in found
    )
    return replace(like, parameters=parameters, packets=packets, video=video)


def silent(_: bytes) -> None:
    pass


@pytest.mark.parametrize(("encoder", "codec", "crf"), ENCODERS)
@pytest.mark.parametrize("target", [0.96, 0.985])
def test_the_search_reaches_a_target_with_every_encoder(
    studio: Any, tmp_path: Path, *, encoder: str, codec: str, crf: int, target: float
) -> None:
    footage = footage_of(studio, CLIP)
    bundle = studio.bundle(tmp_path / "unit.pkts", footage, studio.cut(start=0, end=footage.pts[FRAMES]))
    recipe = studio.recipe(footage, encoder=encoder, codec=codec, preset="ultrafast")
    renditions = tuple(replace(one, width=320, height=180, crf=crf, level="") for one in recipe.renditions)
    recipe = replace(recipe, renditions=renditions)
    search = LadderSearch(goal=QualityGoal(target=target), recipe=recipe)
    tried: dict[int, float] = {}

    while (crfs := search.next()) is not None:
        task = QualityTask(bundles=(str(bundle),), recipe=recipe, crfs=crfs)
        values = measure(task, silent).values
        tried |= dict(zip(crfs[0], values[0], strict=True))
        search.learn(crfs, values)
    tuned, warnings = search.tuned()

    assert len(tried) <= MOST_TRIES
    assert warnings == (), tried
    assert target - 0.0005 <= tried[tuned.renditions[0].crf] <= target + CLOSE, tried
