"""The JavaScript runtimes that yt-dlp may solve a site's challenges with, and which of them are here.

Of itself yt-dlp enables deno alone; a machine that has another one would be told that it has none.
"""

from typing import Final

from cinelog_common.contract.values import Value

RUNTIMES: Final = ("deno", "node", "bun", "quickjs")
"""By yt-dlp's names, in its order of preference: the sandboxed ones first."""


class Runtime(Value, frozen=True, kw_only=True):
    """A runtime that was found."""

    name: str
    version: str
    path: str
    supported: bool
    """Whether it is as new as yt-dlp wants it."""


def enabled() -> dict[str, dict[str, str]]:
    """Return yt-dlp's option `js_runtimes`: all that it knows; what is not here costs nothing."""
    return {name: {} for name in RUNTIMES}


def found() -> tuple[Runtime, ...]:
    """Return the runtimes of this machine as yt-dlp finds them: each is asked for its version."""
    import yt_dlp  # noqa: F401  # it fills the table while it is imported
    from yt_dlp.globals import supported_js_runtimes

    known = supported_js_runtimes.value
    infos = [(name, known[name]().info) for name in RUNTIMES if name in known]
    return tuple(
        Runtime(name=name, version=info.version, path=info.path, supported=info.supported)
        for name, info in infos
        if info is not None
    )
