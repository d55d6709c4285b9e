"""Where one stretch of media follows another in one input, each with timestamps of its own."""

import msgspec


class Splice(msgspec.Struct, frozen=True, kw_only=True):
    """A new stretch begins at byte `offset`; stretches that belong together have one number in all inputs."""

    offset: int
    number: int
