"""Remuxes a joined MP4 into WebM or Matroska without re-encoding. Needs PyAV; runs in a child process."""

from pathlib import Path

import av

from cinelog_common.errors import Category, PermanentError

WEBM_CODECS = frozenset({"vp8", "vp9", "av1", "opus", "vorbis"})
"""What the WebM guidelines allow; Matroska takes the others too."""

_TAGS = ("title", "artist", "album", "album_artist", "composer", "genre", "date", "comment", "copyright")


def remux(mp4_path: Path, out_path: Path) -> None:
    """Copy every packet of `mp4_path` into `out_path`: WebM by its suffix, else Matroska.

    The file appears whole or not at all. Matroska counts in milliseconds: times are rounded to
    the nearest one, as in every file of this kind.

    Raises:
        PermanentError: A codec that WebM does not allow, or a file that cannot be read or written.
    """
    part = out_path.with_name(f".{out_path.name}.part")
    try:
        _copy(mp4_path, part, "webm" if out_path.suffix == ".webm" else "matroska")
        part.replace(out_path)
    except (av.FFmpegError, OSError) as error:
        raise PermanentError(
            f"{out_path.name} cannot be written: {error.strerror}.",
            category=Category.NOT_WRITABLE,
            action="Check the folder and the space left.",
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _copy(source: Path, target: Path, form: str) -> None:
    with av.open(source) as film:
        streams = [stream for stream in film.streams if stream.type in {"video", "audio"}]
        for stream in streams:
            name = stream.codec_context.codec.canonical_name
            if form == "webm" and name not in WEBM_CODECS:
                raise PermanentError(
                    f"WebM holds no {name}.",
                    category=Category.UNSUPPORTED_MEDIA,
                    action="Choose vp9 or av1 for WebM.",
                )
        # Signed offsets make decode times run ahead; Matroska stores presentation times only.
        options = {"avoid_negative_ts": "disabled", "cues_to_front": "1", "fflags": "+bitexact"}
        with av.open(target, "w", format=form, options=options) as out:
            # What is about the file rather than the film (brands, encoder) is not true of the copy.
            out.metadata.update({key: film.metadata[key] for key in _TAGS if key in film.metadata})
            out.set_chapters(film.chapters())
            copies = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in streams}
            for packet in film.demux(streams):
                if packet.size and packet.dts is not None:
                    packet.stream = copies[packet.stream_index]
                    out.mux(packet)
