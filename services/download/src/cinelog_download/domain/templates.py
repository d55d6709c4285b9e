"""Addresses of segments by template (ISO/IEC 23009-1 5.3.9.4.4)."""

import re
from collections.abc import Mapping
from typing import Final

_IDENTIFIER: Final = re.compile(
    r"\$(?:(RepresentationID|Number|Bandwidth|Time|SubNumber)(?:%0(\d{1,2})d)?)?\$"
)


def fill_in(template: str, values: Mapping[str, str | int]) -> str:
    """Return the address; what is not among `values` stays as it is, `$$` is a dollar sign."""

    def value(match: "re.Match[str]") -> str:
        name, width = match[1], match[2]
        if name is None:
            return "$"
        if name not in values:
            return match[0]
        return str(values[name]).zfill(int(width)) if width else str(values[name])

    return _IDENTIFIER.sub(value, template)
