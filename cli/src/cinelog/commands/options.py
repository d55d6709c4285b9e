"""The options that `run` and `jobs submit` share, and what they make of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from cinelog_common.contract import options as contract
from cinelog_common.contract.values import Options, Source

F = TypeVar("F", bound=Callable[..., Any])

_DECORATORS = (
    click.option("--profile", type=click.Choice(contract.PROFILES), default="web", show_default=True),
    click.option("--height", type=int, help="Upper bound of the shorter side, 480 to 2160."),
    click.option("--codec", type=click.Choice(contract.CODECS)),
    click.option(
        "--container", "containers", multiple=True, type=click.Choice(contract.CONTAINERS), help="Repeatable."
    ),
    click.option("--preset", type=click.Choice(contract.PRESETS), help="Speed of the encoder."),
    click.option("--crf", type=int, help="Constant quality: lower is better and larger."),
    click.option(
        "--target-ssim",
        type=float,
        metavar="0.8…0.999",
        help="Find the quality that reaches this similarity.",
    ),
    click.option(
        "--target-xpsnr",
        type=float,
        metavar="25…60",
        help="The same in dB of XPSNR.",
    ),
    click.option(
        "--measure-quality", is_flag=True, help="Compare a share of the result's pictures with the source."
    ),
    click.option(
        "--audio-format",
        type=click.Choice(contract.AUDIO_FORMATS),
        help="Of the profile audio; default: m4a.",
    ),
    click.option(
        "--normalize",
        type=float,
        metavar="LUFS",
        help="Bring the sound near this loudness: -23 is EBU R128, -14 usual on the web.",
    ),
    click.option(
        "--subs",
        default="all",
        show_default=True,
        metavar="all|none|LANG,…",
        help="Which text subtitles of the source go into the result.",
    ),
    click.option("--audio-bitrate", type=int, metavar="KBIT/S"),
    click.option("--hardware", type=click.Choice(contract.HARDWARE), default="auto", show_default=True),
    click.option("--vendor", type=click.Choice(contract.VENDORS)),
    click.option("--segment", type=float, metavar="SECONDS", help="Target length of a segment."),
    click.option("--priority", type=click.Choice(contract.PRIORITIES), default="normal", show_default=True),
    click.option("--title", help="Instead of the source's own."),
    click.option(
        "--on-damage",
        type=click.Choice(contract.ON_DAMAGE),
        default="fail",
        show_default=True,
        help="Of a source that is partly broken: refuse it, or deliver what can be shown.",
    ),
    click.option(
        "--field-rate",
        is_flag=True,
        help="Of an interlaced source: a picture of each field, 50 a second of 25 frames.",
    ),
    click.option(
        "--verify",
        type=click.Choice(("seams", "full")),
        default="seams",
        show_default=True,
        help="Decode the result at its seams, or all of it, before it is announced.",
    ),
)


_SOURCE_DECORATORS = (
    click.option(
        "--format", "format_", metavar="EXPR", help="Which formats of a page, as yt-dlp selects them."
    ),
    click.option(
        "--cookies",
        type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True),
        metavar="FILE",
        help="Cookies in Netscape's format (cookies.txt).",
    ),
    click.option(
        "--cookies-from-browser",
        metavar="NAME[+KEYRING][:PROFILE][::CONTAINER]",
        help="Cookies of a browser on this machine.",
    ),
)


def source_options(function: F) -> F:
    """Add the options that say how the source is come by."""
    for decorator in reversed(_SOURCE_DECORATORS):
        function = decorator(function)
    return function


def wanted_source(url: str, values: dict[str, Any]) -> Source:
    """Return the source of a command line."""
    cookies = values["cookies"]
    return Source(
        url=url,
        format=values["format_"],
        cookies_file=None if cookies is None else str(cookies.absolute()),
        cookies_from_browser=values["cookies_from_browser"],
    )


def encoding_options(function: F) -> F:
    """Add the options that say how the result is made."""
    for decorator in reversed(_DECORATORS):
        function = decorator(function)
    return function


def chosen(values: dict[str, Any], *, destination: str | None = None) -> Options:
    """Return the options of a command line, checked.

    Raises:
        InvalidOptionsError: They contradict each other.
    """
    options = Options(
        profile=values["profile"],
        height=values["height"],
        codec=values["codec"],
        containers=tuple(values["containers"]) or None,
        preset=values["preset"],
        crf=values["crf"],
        audio_bitrate_k=values["audio_bitrate"],
        audio_format=values["audio_format"],
        normalize=values["normalize"],
        subtitles=values["subs"],
        hardware=values["hardware"],
        vendor=values["vendor"],
        priority=values["priority"],
        segment_s=values["segment"],
        verify=values["verify"],
        on_damage=values["on_damage"],
        field_rate=values["field_rate"],
        target_ssim=values["target_ssim"],
        target_xpsnr=values["target_xpsnr"],
        measure_quality=values["measure_quality"],
        title=values["title"],
        destination=destination,
    )
    contract.settle(options)
    return options
