"""What the world sees of a job: derived from the ledger's state, which it carries whole."""

import msgspec
from cinelog_common.contract.keys import live_prefix
from cinelog_common.contract.options import settle
from cinelog_common.contract.status import JobState, JobStatus
from cinelog_common.contract.values import Failure
from cinelog_common.errors import PermanentError

from cinelog_merge.domain import outcomes
from cinelog_merge.domain.deciding import failure_of, verdict
from cinelog_merge.domain.state import LedgerState, encode_state
from cinelog_merge.domain.wanting import warnings_of

MASTER = "master.m3u8"


def snapshot(state: LedgerState) -> JobStatus:
    """Return the public face of `state`; its version is that of the last event that counted."""
    run = state.current
    request = state.request
    where = state_of(state)
    return JobStatus(
        job=state.job,
        run=state.run,
        state=where,
        version=state.version,
        account=request.account if request else "local",
        fingerprint=request.fingerprint if request else "",
        source_url=request.source.url if request else "",
        profile=request.options.profile if request else "",
        title=(request.options.title if request else None) or (run.probed.title if run.probed else ""),
        created_ms=state.created_ms,
        updated_ms=state.updated_ms,
        fraction=_fraction(state, where),
        duration_s=(run.source.duration_s if run.source else None)
        or (run.probed.duration_s if run.probed else None),
        units_ready=len(run.ready),
        units_encoded=len(run.encoded),
        units=run.source.units if run.source else None,
        playable=run.extended.version > 0,
        playlist_key=live_prefix(state.job, state.run) + MASTER if run.extended.version > 0 else None,
        outputs=run.ending.outputs if run.ending else (),
        warnings=warnings_of(run),
        error=_error(state),
        timings_s={
            name: round((at - state.created_ms) / 1000, 3) for name, at in sorted(run.milestones_ms.items())
        },
        quality=run.assembled.quality if run.assembled else (),
        ledger=msgspec.Raw(encode_state(state)),
    )


def state_of(state: LedgerState) -> JobState:
    """Return where the job is."""
    run = state.current
    if state.deleted:
        return JobState.DELETED
    if run.ending is not None:
        return JobState(run.ending.outcome)
    if run.cancelled:
        return JobState.CANCELLING
    if _failing(state) is not None:
        return JobState.FAILING
    if run.assembled is not None:
        return JobState.PUBLISHING
    if outcomes.all_encoded(run) and outcomes.all_alike(run) and outcomes.tracks_complete(run):
        return JobState.ASSEMBLING
    if run.encoded or any(track.ready for track in run.tracks.values()):
        return JobState.ENCODING
    return JobState.FETCHING if run.probed is not None else JobState.QUEUED


def _failing(state: LedgerState) -> Failure | None:
    if state.request is None:
        return None
    try:
        return verdict(state, settle(state.request.options))
    except PermanentError as error:
        return failure_of(error)


def _error(state: LedgerState) -> Failure | None:
    ending = state.current.ending
    return ending.failure if ending is not None else _failing(state)


def _fraction(state: LedgerState, where: JobState) -> float:
    """Return how much is done: encoding is nine tenths of it, measured against what the source promises."""
    match where:
        case JobState.COMPLETED:
            return 1.0
        case JobState.PUBLISHING:
            return 0.97
        case JobState.ASSEMBLING:
            return 0.92
        case _:
            return round(0.9 * _encoded_share(state), 4)


def _encoded_share(state: LedgerState) -> float:
    run = state.current
    if run.probed is None or not len(run.ready):
        return 0.0
    done = len(run.encoded) / len(run.ready)
    duration, video = run.probed.duration_s, run.probed.video
    if run.source is not None or not duration or video is None:
        return min(1.0, done)
    ready_s = run.ready_end * video.time_base[0] / video.time_base[1]
    return min(1.0, done * min(1.0, ready_s / duration))
