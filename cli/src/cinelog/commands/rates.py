"""Rates on the command line, as `curl` and `yt-dlp` take them: `500K`, `2M`, `1.5M`."""

import re
from typing import Any, Final

import click

LEAST: Final = 32 * 1024
"""Bytes per second; less is taken for a source that has stopped."""

_RATE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([kmg]?)(?:i?b)?(?:/s)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Rate(click.ParamType):
    """Bytes per second; K, M and G are powers of 1024."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes per second."""
        if isinstance(value, int):
            return value
        match = _RATE.fullmatch(str(value).strip())
        rate = round(float(match[1]) * _UNITS[match[2].lower()]) if match is not None else 0
        if rate < LEAST:
            self.fail(f"{str(value)[:40]!r} is no rate of at least 32K, such as 500K or 2M.", param, ctx)
        return rate
