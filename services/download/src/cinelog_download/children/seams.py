"""Whether the picture may be cut somewhere: decided by decoding both ways, never by belief.

Recovery points and open groups of pictures look like keyframes to a container; a stream with
periodic intra refresh gave back 108 of 360 pictures when it was cut at them. A stream may also
change in the middle. So the first seam of each kind is decoded split and whole before it is used,
and some that follow are, as long as that costs little.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import nlargest

from cinelog_common.contract.values import Value
from cinelog_fastio import Packet, StreamParameters

from cinelog_download.children import decoding
from cinelog_download.domain.entries import entry_kind
from cinelog_download.domain.pictures import starts_clean

PROOFS = 3
"""So many seams of a kind are compared, the first in any case."""
SHARE = 16
"""Further ones only while not more than one in so many packets was decoded for that."""
_FEW_PIXELS = 1 << 22
"""Of a picture: larger ones are decoded one way after the other, for each decoder holds many of them."""
MOST_BYTES = 256 << 20
"""Of packets that are decoded for one proof, and nothing is told meanwhile: a film of hours without a
proven seam would look like a decoder that hangs. The usual unit of 4K at 200 Mbit/s is less."""
LOOK = 8
"""Packets after a seam that are decoded both ways, and pictures before it: past any reordering."""
INSIDE = "inside"
"""The kind of a seam within a group of pictures: that its first half ends where it should."""


class Seam(Value, frozen=True, kw_only=True):
    """A cut at `at`, by packets in decode order.

    The first half is decoded from `whole`'s first packet on, and its last one is before `stop`;
    the other half's decoding begins at `entry`. `whole` reaches a little further than `stop`.
    """

    at: int
    whole: Sequence[Packet]
    entry: int
    stop: int


class Seams:
    """What is known of the kinds of seams of one stream. Its verdicts follow from the packets alone."""

    def __init__(self, parameters: StreamParameters) -> None:
        self._parameters = parameters
        self._proven: dict[str, int] = {}
        self._refused: set[str] = set()
        self._decoded = 0

    @property
    def inside_refused(self) -> bool:
        """Whether groups of pictures cannot be cut inside."""
        return INSIDE in self._refused

    def may_begin_at(self, key: Packet) -> bool:
        """Tell whether decoding may begin there, as far as is known."""
        return not self._refused or self._kind(key) not in self._refused

    def doubts(self, key: Packet | None, *, inside: bool, packets: int, taken: int) -> frozenset[str]:
        """Return for which kinds a seam is to be compared.

        Args:
            key: What the other half's decoding would begin with; None if that is where the first's does.
            inside: Whether the seam lies within a group of pictures.
            packets: How many would be decoded for that.
            taken: How many the stream had so far.
        """
        kinds = {INSIDE} if inside else set()
        if key is not None and (kind := self._kind(key)) is not None:
            kinds.add(kind)
        room = self._decoded + packets <= taken // SHARE
        return frozenset(
            kind
            for kind in kinds
            if not (proofs := self._proven.get(kind, 0)) or (room and kind != INSIDE and proofs < PROOFS)
        )

    def leave_unproven(self, doubts: frozenset[str]) -> bool:
        """Judge kinds without decoding, where that would take too much; return whether they are clean.

        What was proven before stays so. Any other is taken for one at which nothing can be cut: units
        become longer by that, and every picture is still where it belongs.
        """
        unknown = {kind for kind in doubts if not self._proven.get(kind, 0)}
        self._refused |= unknown
        return not unknown

    def compare(self, seam: Seam, doubts: frozenset[str]) -> bool:
        """Decode both ways and remember what that says of the kinds in doubt; return whether it is clean."""
        self._decoded += 2 * len(seam.whole) - seam.entry
        since = _looked_at_from(seam)
        entries = doubts - {INSIDE}
        ways = [(seam.whole, since)]
        ways += [(seam.whole[seam.entry :], seam.at)] if entries else []
        ways += [(seam.whole[: seam.stop], since)] if INSIDE in doubts else []
        whole, *halves = self._decoded_by(ways)
        failed: set[str] = set()
        if entries and _from(whole, seam.at) != _from(halves[0], seam.at):
            failed |= entries
        if INSIDE in doubts and _before(whole, seam.at) != _before(halves[-1], seam.at):
            failed.add(INSIDE)
        self._refused |= failed
        for kind in doubts - failed:
            self._proven[kind] = self._proven.get(kind, 0) + 1
        return not failed

    def _decoded_by(self, ways: list[tuple[Sequence[Packet], int]]) -> list[dict[int, bytes]]:
        # Side by side: until this is known nothing can be encoded, and the other cores have no work.
        size = self._parameters.attributes
        few = int(size.get("width", 0)) * int(size.get("height", 0)) <= _FEW_PIXELS
        with ThreadPoolExecutor(len(ways) if few else 1) as decoders:
            return list(
                decoders.map(lambda way: decoding.pictures(self._parameters, way[0], since=way[1]), ways)
            )

    def _kind(self, key: Packet) -> str | None:
        """Return the kind of a keyframe whose own bytes do not prove that decoding can begin there."""
        codec, extradata = self._parameters.codec, self._parameters.extradata
        if starts_clean(codec, key.data, extradata):
            return None
        return entry_kind(codec, key.data, extradata)


def _looked_at_from(seam: Seam) -> int:
    before = nlargest(LOOK, (one.pts for one in seam.whole if one.pts is not None and one.pts < seam.at))
    return before[-1] if len(before) >= LOOK else seam.at


def _from(found: dict[int, bytes], seam: int) -> dict[int, bytes]:
    return {pts: digest for pts, digest in found.items() if pts >= seam}


def _before(found: dict[int, bytes], seam: int) -> dict[int, bytes]:
    return {pts: digest for pts, digest in found.items() if pts < seam}
