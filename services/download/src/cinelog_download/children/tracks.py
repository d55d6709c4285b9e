"""Writes the fragments of one track, and its init, for the parent to store."""

from collections.abc import Sequence
from pathlib import Path

from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.inits import codec_string, parameter_hash
from cinelog_common.contract.values import Loudness, Value
from cinelog_fastio import checksum

from cinelog_download.children.units import Tell
from cinelog_download.domain.demuxing import FragmentCut, TrackBegun, TrackDone


class Description(Value, frozen=True, kw_only=True):
    """What a track is, beside its init."""

    name: str
    kind: str
    timescale: int
    language: str = "und"
    title: str = ""
    channels: int = 0
    sample_rate: int = 0
    bitrate_bps: int = 0
    width: int = 0
    height: int = 0
    frame_rate: tuple[int, int] = (0, 1)
    time_base: tuple[int, int] = (0, 1)


class Piece(Value, frozen=True, kw_only=True):
    """One fragment: decode time of its first sample, and the interval [start, end) that it presents."""

    base_time: int
    start: int
    end: int
    samples: Sequence[Sample]


class FragmentWriter:
    """Numbers and writes the fragments of one track."""

    def __init__(self, folder: str, description: Description, init: bytes, tell: Tell) -> None:
        self._folder = Path(folder)
        self._name = description.name
        self._tell = tell
        self._end = 0
        self.written = 0
        init_hash = parameter_hash(init)
        path = self._folder / f"{description.name}-init-{init_hash}.mp4"
        path.write_bytes(init)
        tell(
            TrackBegun(
                name=description.name,
                kind=description.kind,
                codec=codec_string(init),
                init_path=str(path),
                init_hash=init_hash,
                timescale=description.timescale,
                language=description.language,
                title=description.title,
                channels=description.channels,
                sample_rate=description.sample_rate,
                bitrate_bps=description.bitrate_bps,
                width=description.width,
                height=description.height,
                frame_rate=description.frame_rate,
                time_base=description.time_base,
            )
        )

    def write(self, piece: Piece, payload: Sequence[bytes]) -> None:
        """Write the next fragment.

        Raises:
            BoxError: A number does not fit its field.
            OSError: The disk is full, or fails.
        """
        spec = FragmentSpec(sequence=self.written + 1, base_time=piece.base_time, samples=piece.samples)
        data = write_fragment(spec, payload)
        path = self._folder / f"{self._name}-{self.written:06d}.m4s"
        path.write_bytes(data)
        self._tell(
            FragmentCut(
                track=self._name,
                n=self.written,
                start=piece.start,
                end=piece.end,
                frames=len(piece.samples),
                path=str(path),
                size_bytes=len(data),
                checksum=checksum(data),
            )
        )
        self.written += 1
        self._end = piece.end

    def finish(self, loudness: Loudness | None = None) -> None:
        """Tell that no further fragment comes, and how loud the sound was."""
        self._tell(TrackDone(track=self._name, segments=self.written, end=self._end, loudness=loudness))
