"""Dynamic HDR beside the picture: layers that encoding leaves out, and pictures that need them."""

import struct
from collections.abc import Iterable
from typing import Any

from av.video.frame import VideoFrame

from cinelog_download.children import refusals

_NAMES = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
}
"""By libavutil's names of what a picture carries."""
_DOVI_TAGS = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
"""Sample entries of tracks that are Dolby Vision (its ISO base media format specification, 2.2)."""
_OFFSET = struct.Struct("N")
_RPU = struct.Struct("<BxHBBBBBBB")
"""AVDOVIRpuDataHeader up to `bl_video_full_range_flag`."""


def dropped_layers(first: VideoFrame | None, tag: str) -> list[str]:
    """Return warnings about layers of the first picture that are not handed on; `tag` is its sample entry's.

    Raises:
        PermanentError: UNSUPPORTED_MEDIA: without the layer its colours cannot be told.
    """
    held: Any = () if first is None else first.side_data  # by position it yields data, iterated names
    found = [held[at] for at in range(len(held))]
    return warnings_of(found, tag)


def warnings_of(found: Iterable[Any], tag: str) -> list[str]:
    """Return one warning for each kind of layer.

    Raises:
        PermanentError: As `dropped_layers`.
    """
    found = list(found)
    names = [_NAMES[data.type.name] for data in found if data.type.name in _NAMES]
    if tag in _DOVI_TAGS:
        names.append("Dolby Vision")
    if any(data.type.name == "DOVI_METADATA" and _is_profile_5(bytes(data)) for data in found):
        raise refusals.unsupported(
            "it is Dolby Vision of profile 5, whose colours only a Dolby decoder can restore"
        )
    return [
        f"The source's {name} layer is left out: its picture is shown as it is without."
        for name in dict.fromkeys(names)
    ]


def _is_profile_5(metadata: bytes) -> bool:
    """Tell whether the base layer is of Dolby's own colours (IPTPQc2), after the rule of libdovi.

    The header lies at the offset that AVDOVIMetadata begins with; its `vdr_rpu_profile` is 0 and
    `bl_video_full_range_flag` 1 in no other profile.
    """
    if len(metadata) < _OFFSET.size:
        return False
    (at,) = _OFFSET.unpack_from(metadata)
    if at + _RPU.size > len(metadata):
        return False
    _, _, profile, *_, full_range = _RPU.unpack_from(metadata, at)
    return bool(profile == 0 and full_range == 1)
