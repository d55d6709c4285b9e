"""Measuring a unit while it is encoded: its first packets are decoded again and compared.

Decoding can only begin at a keyframe, so what may cost a twentieth of the unit's decoding must be its
beginning, which is better than the rest, and by how much depends on the encoder. Where the encoder
tells the squared error of every picture (x264 and libvpx do, for next to nothing), the sample is
carried over to the whole unit by it: over pictures of one kind, what a metric lacks follows the
squared error. Of other encoders the value is that of the beginning.
"""

import av
from av.video.frame import VideoFrame
from cinelog_common.errors import PermanentError

from cinelog_transcode.children.comparing import decoded, similarity
from cinelog_transcode.children.encoding import EncodedPacket, RenditionEncoder
from cinelog_transcode.domain.quality import carried_over

_REORDERED = 4
"""Of the first packets some are shown so much later: B-frames come after what they lean on."""


class UnitSample:
    """Keeps what is needed of one rendition, and lets the pictures go once they are compared."""

    def __init__(self, encoder: RenditionEncoder, metric: str, pictures: int) -> None:
        self._encoder = encoder
        self._metric = metric
        self._wanted = pictures
        self._originals: list[VideoFrame] = []
        self._packets: list[EncodedPacket] = []
        self._errors: dict[int, int] = {}
        self._values: dict[int, float] = {}
        self._measures = pictures > 0

    @property
    def value(self) -> float | None:
        """The mean over the unit; None if nothing was measured."""
        return carried_over(self._metric, self._values, self._errors)

    def picture(self, frame: VideoFrame) -> None:
        """Take the next picture that goes into the encoder."""
        if self._wanted and len(self._originals) < self._wanted + _REORDERED:
            self._originals.append(frame)

    def packet(self, packet: EncodedPacket) -> None:
        """Take the next packet that comes out of it."""
        if self._measures and packet.error is not None:
            self._errors[packet.pts] = packet.error
        if not self._wanted:
            return
        self._packets.append(packet)
        if len(self._packets) == self._wanted:
            self._compare()

    def _compare(self) -> None:
        results = decoded(self._encoder, self._packets, 1)
        try:
            self._values = similarity(self._metric, self._originals, results, self._encoder.time_base)
        except (PermanentError, av.FFmpegError):
            # What cannot be measured is encoded all the same; whoever reads the result sees the gap.
            self._values = {}
        self._wanted = 0
        self._originals = []
        self._packets = []
