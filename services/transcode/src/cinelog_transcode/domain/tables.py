"""Every encoder as data.

A table's texts are templates over the fields of `encoders.Wish`; an option whose field is None is
left out. Each table keeps to the rules that make segments joinable: closed GOPs, a real IDR where one
is forced, parameter sets that depend on the recipe alone, and constant quality with a cap (capped CRF)
instead of a bitrate, which would waste bits at every seam.
"""

from cinelog_common.contract.values import Value
from cinelog_common.errors import Category, PermanentError

from cinelog_transcode.domain.presets import (
    AMF_PRESETS,
    NVENC_PRESETS,
    QSV_PRESETS,
    SVTAV1_PRESETS,
    VIDEOTOOLBOX_PRESETS,
    VPX_PRESETS,
    X26X_PRESETS,
)

CODEC_ENV = {"SVT_LOG": "1"}
"""For every process that opens encoders: SVT-AV1 would tell its configuration each time."""

NEEDS = {
    "nvidia": "an NVIDIA GPU with NVENC, and its driver",
    "intel": "an Intel GPU with Quick Sync, and the oneVPL runtime",
    "amd": "an AMD GPU with VCN, and the AMF runtime",
    "apple": "macOS",
}
"""What a pool's encoders need of the machine."""


class UnknownEncoderError(PermanentError):
    """No table names this encoder."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no encoder {name[:60]!r}.",
            category=Category.ENCODER_UNAVAILABLE,
            action="Choose another codec, or set hardware to auto.",
        )


class EncoderTable(Value, frozen=True, kw_only=True):
    """One encoder: its options, and what it wants its pictures to be."""

    name: str
    codec: str
    pool: str
    presets: dict[str, str]
    options: dict[str, str]
    parameters: tuple[str, ...] = ()
    """Joined by colons into the option named by `parameters_option`."""
    parameters_option: str = ""
    surfaces: dict[str, str] = {}
    """Pixel format of the recipe to the one the encoder is given; itself where it is not named."""
    maker_mark: str = ""
    """What the encoder's own version follows in its first packet, as a regular expression."""


_CAP = {"maxrate": "{max_rate}", "bufsize": "{buffer_size}"}
_GOP = {"g": "{keyframe_interval}"}
_SEMIPLANAR = {"yuv420p": "nv12", "yuv420p10le": "p010le"}

_NVENC = {
    "preset": "{preset}",
    "tune": "hq",
    "rc": "vbr",
    "cq": "{crf}",
    # 0 leaves the rate to cq alone, below the cap.
    "b": "0",
    **_CAP,
    **_GOP,
    "forced-idr": "1",
    "strict_gop": "1",
    "rc-lookahead": "20",
    "spatial-aq": "1",
}
_QSV = {
    "preset": "{preset}",
    # With a cap this is QVBR, which wants a target too, another one than the cap: the same is taken for
    # a constant bitrate. Without a cap it is ICQ.
    "global_quality": "{crf}",
    "b": "{target_rate}",
    **_CAP,
    **_GOP,
    "forced_idr": "1",
}
_AMF = {
    "usage": "transcoding",
    "quality": "{preset}",
    "rc": "qvbr",
    "qvbr_quality_level": "{crf}",
    "b": "{max_rate}",
    **_CAP,
    **_GOP,
    "forced_idr": "1",
}
_VIDEOTOOLBOX = {
    "flags": "+qscale",
    "global_quality": "{quality}",
    "maxrate": "{max_rate}",
    "prio_speed": "{preset}",
    "realtime": "0",
    # Software behind a hardware name would not be what the user was told.
    "allow_sw": "0",
    **_GOP,
}

_ALL = (
    EncoderTable(
        name="libx264",
        codec="h264",
        pool="cpu",
        presets=X26X_PRESETS,
        options={
            "preset": "{preset}",
            "crf": "{crf}",
            "level": "{level}",
            "forced-idr": "1",
            **_CAP,
            **_GOP,
        },
        # stitchable: headers do not depend on what is in the pictures, so all segments share one set.
        parameters=("stitchable=1", "open-gop=0"),
        parameters_option="x264-params",
        maker_mark=r"x264 - core (\d+)",
    ),
    EncoderTable(
        name="libx265",
        codec="hevc",
        pool="cpu",
        presets=X26X_PRESETS,
        options={"preset": "{preset}", "crf": "{crf}", "forced-idr": "1", **_CAP, **_GOP},
        # info: the SEI with all settings would make the parameter sets differ with the thread count.
        parameters=(
            "open-gop=0",
            "repeat-headers=0",
            "info=0",
            "log-level=none",
            "high-tier=0",
            "level-idc={level}",
            "pools={threads}",
            "frame-threads={frame_threads}",
        ),
        parameters_option="x265-params",
    ),
    EncoderTable(
        name="libsvtav1",
        codec="av1",
        pool="cpu",
        presets=SVTAV1_PRESETS,
        options={"preset": "{preset}", "crf": "{crf}", **_CAP, **_GOP},
        parameters=("lp={threads}", "irefresh-type=2", "level={level_tenths}"),
        parameters_option="svtav1-params",
    ),
    EncoderTable(
        name="libvpx-vp9",
        codec="vp9",
        pool="cpu",
        presets=VPX_PRESETS,
        # With crf, `b` is the ceiling of constrained quality. No `level`: libvpx gives up where pictures
        # come closer together for a moment than the level has it, as they do at a variable rate.
        options={
            "deadline": "good",
            "cpu-used": "{preset}",
            "crf": "{crf}",
            "b": "{max_rate}",
            "row-mt": "1",
            **_GOP,
        },
    ),
    EncoderTable(
        name="h264_nvenc",
        codec="h264",
        pool="nvidia",
        presets=NVENC_PRESETS,
        options={**_NVENC, "profile": "high", "level": "{level}", "bf": "3", "b_ref_mode": "middle"},
    ),
    EncoderTable(
        name="hevc_nvenc",
        codec="hevc",
        pool="nvidia",
        presets=NVENC_PRESETS,
        options={
            **_NVENC,
            "profile": "{main_profile}",
            "tier": "main",
            "level": "{level}",
            "bf": "3",
            "b_ref_mode": "middle",
        },
        surfaces={"yuv420p10le": "p010le"},
    ),
    EncoderTable(
        name="av1_nvenc",
        codec="av1",
        pool="nvidia",
        presets=NVENC_PRESETS,
        options={**_NVENC, "bf": "3", "b_ref_mode": "middle"},
        surfaces={"yuv420p10le": "p010le"},
    ),
    EncoderTable(
        name="h264_qsv",
        codec="h264",
        pool="intel",
        presets=QSV_PRESETS,
        options={**_QSV, "profile": "high", "level": "{level_tenths}", "bf": "3"},
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="hevc_qsv",
        codec="hevc",
        pool="intel",
        presets=QSV_PRESETS,
        options={**_QSV, "profile": "{main_profile}", "level": "{level_tenths}", "bf": "3"},
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="av1_qsv",
        codec="av1",
        pool="intel",
        presets=QSV_PRESETS,
        options=_QSV,
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="vp9_qsv",
        codec="vp9",
        pool="intel",
        presets=QSV_PRESETS,
        options={
            **{name: value for name, value in _QSV.items() if name != "forced_idr"},
            "profile": "profile0",
        },
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="h264_amf",
        codec="h264",
        pool="amd",
        presets=AMF_PRESETS,
        options={**_AMF, "profile": "high", "level": "{level}", "bf": "2"},
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="hevc_amf",
        codec="hevc",
        pool="amd",
        presets=AMF_PRESETS,
        options={
            **_AMF,
            "profile": "{main_profile}",
            "bitdepth": "{depth}",
            "profile_tier": "main",
            "level": "{level}",
        },
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="av1_amf",
        codec="av1",
        pool="amd",
        presets=AMF_PRESETS,
        # No B-frames: most AMD devices that make AV1 have none.
        options={**_AMF, "bitdepth": "{depth}"},
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="h264_videotoolbox",
        codec="h264",
        pool="apple",
        presets=VIDEOTOOLBOX_PRESETS,
        options={**_VIDEOTOOLBOX, "profile": "high", "level": "{level}", "bf": "2"},
        surfaces=_SEMIPLANAR,
    ),
    EncoderTable(
        name="hevc_videotoolbox",
        codec="hevc",
        pool="apple",
        presets=VIDEOTOOLBOX_PRESETS,
        options={**_VIDEOTOOLBOX, "profile": "{main_profile}", "bf": "2"},
        surfaces=_SEMIPLANAR,
    ),
)

TABLES: dict[str, EncoderTable] = {table.name: table for table in _ALL}


def table_of(name: str) -> EncoderTable:
    """Return the table of an encoder.

    Raises:
        UnknownEncoderError: There is none.
    """
    table = TABLES.get(name)
    if table is None:
        raise UnknownEncoderError(name)
    return table


def tables_of_pool(pool: str) -> tuple[EncoderTable, ...]:
    """Return the encoders that a worker of `pool` tries."""
    return tuple(table for table in TABLES.values() if table.pool == pool)
