"""Profiles and free parameters: what a request may ask for, and what it means once settled.

Used wherever a request enters, so that an impossible pair is refused at submit
and never reaches a worker.
"""

import re
from collections.abc import Collection

from cinelog_common.contract.quality import QualityGoal
from cinelog_common.contract.values import AudioRecipe, Options, Source, Value
from cinelog_common.errors import Category, PermanentError

PROFILES = ("web", "ladder", "original", "audio")
CODECS = ("h264", "hevc", "av1", "vp9")
CONTAINERS = ("hls", "mp4", "webm")
AUDIO_FORMATS = ("m4a", "mp3", "opus")
PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)
HARDWARE = ("auto", "never", "require")
VENDORS = ("nvidia", "intel", "amd", "apple")
ON_DAMAGE = ("fail", "salvage")
PRIORITIES = ("high", "normal", "bulk")
LADDER_HEIGHTS = (1080, 720, 480)
SCHEMES = ("http", "https", "file", "upload", "object")

_SOUNDS = {"m4a": ("aac", 128), "mp3": ("mp3", 192), "opus": ("opus", 128)}
"""By audio format: its codec, and kbit/s for stereo."""
_MAX_MP3_K = 320
_QUIETEST_LUFS, _LOUDEST_LUFS = -40.0, -5.0
_DEFAULT_CRF = {"h264": 23, "hevc": 26, "av1": 32, "vp9": 33}
_MAX_CRF = {"h264": 51, "hevc": 51, "av1": 63, "vp9": 63}
_VENDOR_CODECS = {
    "nvidia": frozenset({"h264", "hevc", "av1"}),
    "intel": frozenset(CODECS),
    "amd": frozenset({"h264", "hevc", "av1"}),
    "apple": frozenset({"h264", "hevc"}),
}
"""What each vendor's encoders can make, on some device of theirs."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_MOST_TITLE_CHARS = 1000
_MOST_HEADERS = 64
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""A header's name (RFC 9110, 5.1)."""
_LANGUAGES = re.compile(
    r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,7}(,[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,7}){0,31}"
)
_HOLDS = {
    "hls": frozenset({"h264", "hevc", "av1"}),
    "mp4": frozenset(CODECS),
    "webm": frozenset({"vp9", "av1"}),
}


class Settled(Value, frozen=True, kw_only=True):
    """Options with every blank filled in."""

    profile: str
    video: str
    """`encode`, `copy` or `none`."""
    codec: str
    heights: tuple[int, ...]
    """Upper bounds of the shorter side, largest first; sizes above the source's are left out later."""
    containers: tuple[str, ...]
    preset: str
    crf: int
    audio: AudioRecipe
    hardware: str
    vendor: str | None
    priority: str
    segment_s: float
    max_segment_s: float
    verify: str
    salvage: bool
    quality: QualityGoal | None = None
    """What is measured of the picture; None for nothing."""
    field_rate: bool = False
    """Whether each field of an interlaced source becomes a picture."""
    subtitles: str = "none"
    """`all`, `none` or languages, as in `Options`; `none` where the result can hold no text."""


class InvalidOptionsError(PermanentError):
    """The request asks for something that cannot be."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message, category=Category.INVALID_REQUEST, action=action)


def settle(options: Options, *, vendors: Collection[str] | None = None) -> Settled:
    """Fill in the profile's values and refuse what cannot be.

    Args:
        options: What the user asked for.
        vendors: The hardware vendors that are there; None if that is not known here.

    Raises:
        InvalidOptionsError: Unknown names, numbers out of range, impossible pairs.
    """
    _check_names(options)
    if options.profile in {"original", "audio"}:
        _refuse_picture_options(options)
    codec = options.codec or "h264"
    containers = options.containers or _default_containers(options, codec)
    _check_containers(options, codec, containers)
    _check_hardware(options, codec, vendors)
    segment_s = 4.0 if options.segment_s is None else options.segment_s
    if not 1.0 <= segment_s <= 30.0:
        raise InvalidOptionsError(f"segment_s is {segment_s}.", "Choose 1 to 30 seconds.")
    return Settled(
        profile=options.profile,
        video={"original": "copy", "audio": "none"}.get(options.profile, "encode"),
        codec=codec,
        heights=_heights(options),
        containers=containers,
        preset=options.preset or "medium",
        crf=_crf(options, codec),
        audio=_audio(options, containers),
        hardware=options.hardware,
        vendor=options.vendor,
        priority=options.priority,
        segment_s=segment_s,
        max_segment_s=2 * segment_s,
        verify=options.verify,
        salvage=options.on_damage == "salvage",
        quality=_quality(options),
        field_rate=options.field_rate,
        subtitles=_subtitles(options, containers),
    )


def check_source(source: Source) -> None:
    """Refuse what is no source at all; whether it may be fetched is the download service's decision.

    Raises:
        InvalidOptionsError: Empty, too long, control characters, or an unknown scheme.
    """
    url = source.url
    if not url.strip() or len(url) > 8192 or not _is_plain(url):
        raise InvalidOptionsError(
            "The source is empty, too long, no Unicode text, or holds control characters.",
            "Give one URL or path.",
        )
    scheme = url.partition("://")[0].lower() if "://" in url else "file"
    # A path may hold `://` as well: what is no scheme's name is a folder's.
    if scheme not in SCHEMES and _SCHEME.fullmatch(scheme):
        raise InvalidOptionsError(
            f"Sources of the kind {scheme[:20]!r} are not supported.", "Use http, https, or a file."
        )
    _check_fetching(source)


def _is_plain(text: str) -> bool:
    return _is_text(text) and not any(ord(char) < 32 or ord(char) == 127 for char in text)


def _is_text(text: str) -> bool:
    """Whether `text` can be encoded: names of files may hold bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_fetching(source: Source) -> None:
    """Refuse headers that would end their line and begin another, and formats that are no expression."""
    if len(source.headers) > _MOST_HEADERS:
        raise InvalidOptionsError(
            f"There are {len(source.headers)} headers.", f"Use at most {_MOST_HEADERS}."
        )
    for name, value in source.headers.items():
        if not _TOKEN.fullmatch(name) or len(value) > 8192 or not value.isprintable():
            raise InvalidOptionsError(
                f"The header {name[:40]!r} cannot be sent.", "Use a plain name and a printable value."
            )
    if source.format is not None and (len(source.format) > 1000 or not source.format.isprintable()):
        raise InvalidOptionsError("The format is no yt-dlp format expression.", "Leave it out.")


def _check_names(options: Options) -> None:
    for name, value, allowed in (
        ("profile", options.profile, PROFILES),
        ("codec", options.codec, CODECS),
        ("preset", options.preset, PRESETS),
        ("hardware", options.hardware, HARDWARE),
        ("vendor", options.vendor, VENDORS),
        ("priority", options.priority, PRIORITIES),
        ("verify", options.verify, ("seams", "full")),
        ("audio format", options.audio_format, AUDIO_FORMATS),
        ("on_damage", options.on_damage, ON_DAMAGE),
    ):
        if value is not None and value not in allowed:
            raise InvalidOptionsError(f"There is no {name} {value[:40]!r}.", f"Choose {', '.join(allowed)}.")
    for container in options.containers or ():
        if container not in CONTAINERS:
            raise InvalidOptionsError(
                f"There is no container {container[:40]!r}.", f"Choose {', '.join(CONTAINERS)}."
            )
    for name, text in (("title", options.title), ("destination", options.destination)):
        if text is not None and not _is_text(text):
            raise InvalidOptionsError(f"The {name} is no Unicode text.", "Use another name.")
    if options.title is not None and len(options.title) > _MOST_TITLE_CHARS:
        raise InvalidOptionsError(
            f"The title has {len(options.title)} characters.", f"Use at most {_MOST_TITLE_CHARS}."
        )
    if options.containers == ():
        raise InvalidOptionsError("No container is asked for.", f"Choose {', '.join(CONTAINERS)}.")


def _refuse_picture_options(options: Options) -> None:
    for name in ("height", "codec", "preset", "crf", "vendor", "target_ssim", "target_xpsnr"):
        if getattr(options, name) is not None:
            raise InvalidOptionsError(
                f"The profile {options.profile!r} does not encode the picture, so {name} means nothing.",
                f"Leave {name} out or choose the profile web.",
            )
    if options.field_rate:
        raise InvalidOptionsError(
            f"The profile {options.profile!r} encodes no picture, so field_rate means nothing.",
            "Leave field_rate out or choose the profile web.",
        )
    if options.measure_quality:
        raise InvalidOptionsError(
            f"The profile {options.profile!r} encodes no picture, so there is no quality to measure.",
            "Leave measure_quality out or choose the profile web.",
        )
    if options.hardware == "require":
        raise InvalidOptionsError(
            f"The profile {options.profile!r} encodes no picture, so it can require no hardware.",
            "Leave hardware out or choose the profile web.",
        )
    if options.profile == "audio" and (
        options.containers not in {None, ("mp4",)}
        or (options.containers is not None and options.audio_format not in {None, "m4a"})
    ):
        raise InvalidOptionsError(
            "The profile 'audio' makes one file: M4A, MP3 or Opus.",
            "Leave the container out, and choose an audio format.",
        )
    if options.containers and "webm" in options.containers:
        raise InvalidOptionsError("The profile 'original' makes MP4 and HLS.", "Choose hls or mp4.")


def _default_containers(options: Options, codec: str) -> tuple[str, ...]:
    if options.profile == "audio":
        return ({"mp3": "mp3", "opus": "opus"}.get(options.audio_format or "", "mp4"),)
    if options.profile == "original":
        return ("mp4",)
    return ("webm",) if codec == "vp9" else ("hls", "mp4")


def _check_containers(options: Options, codec: str, containers: tuple[str, ...]) -> None:
    if len(set(containers)) != len(containers):
        raise InvalidOptionsError("A container is named twice.", "Name each once.")
    if options.profile in {"original", "audio"}:
        return
    for container in containers:
        if codec not in _HOLDS[container]:
            fit = ", ".join(name for name in CONTAINERS if codec in _HOLDS[name])
            raise InvalidOptionsError(
                f"{codec} cannot be put into {container}.", f"For {codec} choose {fit}."
            )
    if {"hls", "webm"} <= set(containers):
        raise InvalidOptionsError(
            "HLS wants AAC sound and WebM wants Opus; one run has one sound.", "Submit two jobs."
        )


def _check_hardware(options: Options, codec: str, vendors: Collection[str] | None) -> None:
    if options.vendor is not None and options.hardware == "never":
        raise InvalidOptionsError("A vendor is named, but hardware is 'never'.", "Drop one of the two.")
    if options.hardware != "require":
        return
    able = {vendor for vendor, codecs in _VENDOR_CODECS.items() if codec in codecs}
    if options.vendor is not None and options.vendor not in able:
        raise InvalidOptionsError(
            f"The hardware of {options.vendor} encodes no {codec}.", f"For {codec} choose {_listed(able)}."
        )
    if vendors is None:
        return
    there = able.intersection(vendors)
    if not there or (options.vendor is not None and options.vendor not in there):
        wanted = options.vendor or "any vendor"
        raise InvalidOptionsError(
            f"Hardware of {wanted} is required, and no worker has proven an encoder of it.",
            "Run `cinelog doctor` to see why, or set hardware to auto.",
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _heights(options: Options) -> tuple[int, ...]:
    if options.height is None:
        return LADDER_HEIGHTS if options.profile == "ladder" else (1080,)
    if not 480 <= options.height <= 2160:
        raise InvalidOptionsError(f"The height {options.height} is out of range.", "Choose 480 to 2160.")
    if options.profile == "ladder":
        return (options.height, *(height for height in LADDER_HEIGHTS if height < options.height))
    return (options.height,)


def _crf(options: Options, codec: str) -> int:
    if options.crf is None:
        return _DEFAULT_CRF[codec]
    if not 0 <= options.crf <= _MAX_CRF[codec]:
        raise InvalidOptionsError(
            f"crf {options.crf} is out of range for {codec}.", f"Choose 0 to {_MAX_CRF[codec]}."
        )
    return options.crf


def _quality(options: Options) -> QualityGoal | None:
    ssim, xpsnr = options.target_ssim, options.target_xpsnr
    if ssim is not None and xpsnr is not None:
        raise InvalidOptionsError("There are two target qualities.", "Leave target_ssim or target_xpsnr out.")
    if ssim is not None and not 0.8 <= ssim <= 0.999:
        raise InvalidOptionsError(f"A target similarity of {ssim} is out of range.", "Choose 0.8 to 0.999.")
    if xpsnr is not None and not 25.0 <= xpsnr <= 60.0:
        raise InvalidOptionsError(f"A target XPSNR of {xpsnr} dB is out of range.", "Choose 25 to 60.")
    if xpsnr is not None:
        return QualityGoal(metric="xpsnr", target=xpsnr)
    return QualityGoal(target=ssim) if ssim is not None or options.measure_quality else None


def _audio(options: Options, containers: tuple[str, ...]) -> AudioRecipe:
    bitrate = options.audio_bitrate_k
    if bitrate is not None and not 32 <= bitrate <= 512:
        raise InvalidOptionsError(
            f"An audio bitrate of {bitrate} kbit/s is out of range.", "Choose 32 to 512."
        )
    target = options.normalize
    if target is not None and not _QUIETEST_LUFS <= target <= _LOUDEST_LUFS:
        raise InvalidOptionsError(
            f"A loudness of {target} LUFS is out of range.",
            f"Choose {_QUIETEST_LUFS} to {_LOUDEST_LUFS}: -23 is EBU R128, -14 is usual on the web.",
        )
    if options.profile == "audio":
        codec, usual = _SOUNDS[options.audio_format or "m4a"]
        if codec == "mp3" and bitrate is not None and bitrate > _MAX_MP3_K:
            raise InvalidOptionsError(f"MP3 ends at {_MAX_MP3_K} kbit/s.", "Choose 32 to 320, or opus.")
        return AudioRecipe(codec=codec, bitrate_k=bitrate or usual, loudness_lufs=target)
    if options.audio_format is not None:
        raise InvalidOptionsError(
            f"An audio format means nothing to the profile {options.profile!r}.", "Choose the profile audio."
        )
    if options.profile == "original":
        if bitrate is not None or target is not None:
            raise InvalidOptionsError("The profile 'original' does not encode sound.", "Leave it out.")
        return AudioRecipe(mode="copy")
    codec = "opus" if "webm" in containers else "aac"
    return AudioRecipe(codec=codec, bitrate_k=bitrate or 128, loudness_lufs=target)


def _subtitles(options: Options, containers: tuple[str, ...]) -> str:
    wanted = "".join(options.subtitles.split())
    if wanted not in {"all", "none"} and not _LANGUAGES.fullmatch(wanted):
        raise InvalidOptionsError(
            f"The subtitles {options.subtitles[:40]!r} cannot be chosen.",
            "Use all, none, or languages: en,de.",
        )
    holds_text = options.profile != "audio" and not {"hls", "mp4"}.isdisjoint(containers)
    return wanted if holds_text else "none"
