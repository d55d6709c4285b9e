"""Encoding one unit from beginning to end: the work of the encoder child, without its pipe."""

from contextlib import suppress

import av
import msgspec
from cinelog_common.clock import Clock, SystemClock
from cinelog_fastio import BundleError, BundleReader

from cinelog_transcode.children.decoding import DeviceRefusedError, UndecodableError
from cinelog_transcode.children.working import DamagedError, OnProgress, UnitWork, UnsureError
from cinelog_transcode.domain.tasks import EncodeTask, UnitReport


def encode_unit(task: EncodeTask, on_progress: OnProgress, clock: Clock | None = None) -> UnitReport:
    """Encode a unit and leave its parts and thumbnails in the task's folder.

    Raises:
        DamagedError: A broken bundle, or another number of frames than it promises.
        UndecodableError: No decoder opens.
        EncoderUnavailableError: The encoder does not open.
        EncoderFailedError: The encoder refused a picture.
        SeamError: The result would not join.
    """
    clock = clock or SystemClock()
    began = clock.monotonic()
    try:
        with BundleReader.open(task.bundle) as bundle:
            report = _run(task, bundle, on_progress)
    except BundleError as error:
        raise DamagedError(f"The stored packets of unit {task.n} are damaged: {error}.") from error
    except av.FFmpegError as error:
        # Decoder and encoder name their own; what is left are pictures that no filter takes.
        raise UndecodableError(f"The pictures of unit {task.n} cannot be converted: {error}.") from error
    return msgspec.structs.replace(report, encode_s=round(clock.monotonic() - began, 3))


def _run(task: EncodeTask, bundle: BundleReader, on_progress: OnProgress) -> UnitReport:
    """Decode on a device if one is proven for this, and again by software if that shows less than all."""
    codec = bundle.parameters.codec
    # What can be salvaged of a damaged stream differs from device to device.
    device = "" if task.salvage else task.decoders.get(codec, "")
    if not device:
        return _run_on_processor(task, bundle, on_progress)
    try:
        return UnitWork(task, bundle, on_progress, device=device).run()
    except (DeviceRefusedError, DamagedError):
        report = _run_on_processor(task, bundle, on_progress)
    # The same words for every unit, so that a film tells it once.
    warning = f"The device ({device}) does not decode this {codec} picture; the processor does instead."
    return msgspec.structs.replace(report, warnings=(*report.warnings, warning))


def _run_on_processor(task: EncodeTask, bundle: BundleReader, on_progress: OnProgress) -> UnitReport:
    """Decode with all threads, and again with one what is damaged: every attempt must show the same."""
    if task.threads > 1:
        with suppress(UnsureError):
            return UnitWork(task, bundle, on_progress, threads=task.threads).run()
    return UnitWork(task, bundle, on_progress).run()
