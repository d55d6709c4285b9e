"""From an encoder's packets to fragments on disk, each checked after it was written."""

from pathlib import Path

from cinelog_common.cmaf.accessunits import SampleForm
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, read_fragment_file, write_fragment
from cinelog_common.cmaf.timing import SeamError, time_samples
from cinelog_common.contract.values import Value
from cinelog_fastio import checksum

from cinelog_transcode.children.encoding import EncodedPacket
from cinelog_transcode.domain.parts import Span
from cinelog_transcode.domain.tasks import PartReport

_PARTS_OF_A_UNIT = 4096


class WritingPlan(Value, frozen=True, kw_only=True):
    """Where the parts of unit `n` in one rendition go; `ticks` of the fragments make one of the pictures'."""

    folder: str
    name: str
    n: int
    parts: tuple[Span, ...]
    ticks: int
    form: SampleForm
    """What makes a sample of a packet."""


class PartWriter:
    """Collects one rendition's packets in decode order and writes each part once the next one begins.

    Every part begins with a forced IDR in a closed GOP, so nothing of an earlier part comes after it;
    were it otherwise, the timing rule would refuse the part.
    """

    def __init__(self, plan: WritingPlan) -> None:
        self._plan = plan
        self._packets: list[EncodedPacket] = []
        self._written: list[PartReport] = []

    def add(self, packet: EncodedPacket) -> None:
        """Take the next packet.

        Raises:
            SeamError: The part before it is not sound.
        """
        following = len(self._written) + 1
        if following < len(self._plan.parts) and packet.pts >= self._plan.parts[following].start:
            self._finish()
        self._packets.append(packet)

    def close(self) -> tuple[PartReport, ...]:
        """Write the last part and return all.

        Raises:
            SeamError: A part is not sound, or has no frames.
        """
        self._finish()
        if len(self._written) != len(self._plan.parts):
            raise SeamError(f"{len(self._written)} of {len(self._plan.parts)} parts have frames")
        return tuple(self._written)

    def _finish(self) -> None:
        part, packets = len(self._written), self._packets
        span = self._plan.parts[part]
        ticks = self._plan.ticks
        start, end = span.start * ticks, span.end * ticks
        if packets and not packets[0].keyframe:
            raise SeamError(f"the part at {span.start} does not begin with a keyframe")
        payload = [self._plan.form(packet.data) for packet in packets]
        times = time_samples([packet.pts * ticks for packet in packets], start, end)
        spec = FragmentSpec(
            # Grows along the track whatever order the units are encoded in (14496-12 8.8.5).
            sequence=self._plan.n * _PARTS_OF_A_UNIT + part + 1,
            base_time=start,
            samples=[
                Sample(
                    size=len(data),
                    duration=time.duration,
                    composition_offset=time.composition_offset,
                    sync=packet.keyframe,
                )
                for packet, data, time in zip(packets, payload, times, strict=True)
            ],
        )
        data = write_fragment(spec, payload)
        path = Path(self._plan.folder) / f"{self._plan.name}-{part:03d}.m4s"
        path.write_bytes(data)
        _check(path, frames=len(packets), start=start, end=end)
        self._written.append(
            PartReport(
                file=path.name,
                start=start,
                end=end,
                frames=len(packets),
                size_bytes=len(data),
                checksum=checksum(data),
            )
        )
        self._packets = []


def _check(path: Path, *, frames: int, start: int, end: int) -> None:
    """Read back what joining will rely on."""
    fragment = read_fragment_file(path)
    if (
        len(fragment.samples) != frames
        or not fragment.samples[0].sync
        or fragment.base_time != start
        or fragment.duration != end - start
    ):
        raise SeamError(f"{path.name} does not hold what was written to it")
