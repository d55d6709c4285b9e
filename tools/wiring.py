"""Who writes and who reads which messages: the part of the contract that no type says.

A test compares it with the code: who builds which message, who handles which command.
"""

from cinelog_common.contract import topics

ENCODE_TOPIC = topics.work_encode("{pool}", "{priority}")
REQUEST = "JobRequest"
DEAD_LETTER = "DeadLetter"

Wiring = dict[str, dict[str, tuple[str, ...]]]
"""By service, then by topic: the names of the messages."""

_EVERY_EVENT = (
    "JobRequested",
    "SourceProbed",
    "RecipeChosen",
    "SegmentReady",
    "PlanRevised",
    "TrackOpened",
    "TrackSegmentReady",
    "TrackEnded",
    "SourceEnded",
    "SegmentEncoded",
    "PlaylistExtended",
    "OutputAssembled",
    "JobCompleted",
    "JobFailed",
    "JobCancelRequested",
    "JobCancelled",
    "JobRetried",
    "JobTicked",
    "WorkFailed",
    "JobDeleted",
)
_LETTERS = {topics.DEAD_LETTERS: (DEAD_LETTER,)}

SENDS: Wiring = {
    "client": {topics.REQUESTED: (REQUEST,)},
    "gateway": {topics.EVENTS: ("JobRequested", "JobCancelRequested", "JobDeleted", "JobRetried")},
    "merge": {
        topics.EVENTS: (
            "JobRequested",
            "RecipeChosen",
            "PlanRevised",
            "PlaylistExtended",
            "OutputAssembled",
            "JobTicked",
            "WorkFailed",
        ),
        topics.STATUS: ("JobStatus",),
        topics.CONTROL: ("Control",),
        topics.WORKERS: ("WorkerBeat",),
        topics.WORK_FETCH: ("FetchSource",),
        ENCODE_TOPIC: ("EncodeSegment", "ProbeQuality"),
        topics.WORK_MERGE: ("ExtendPlaylist", "AssembleOutput"),
        topics.WORK_PUBLISH: ("PublishOutput",),
        **_LETTERS,
    },
    "download": {
        topics.EVENTS: (
            "SourceProbed",
            "SegmentReady",
            "TrackOpened",
            "TrackSegmentReady",
            "TrackEnded",
            "SourceEnded",
            "WorkFailed",
        ),
        topics.PROGRESS: ("Progress",),
        **_LETTERS,
    },
    "transcode": {
        topics.EVENTS: ("RecipeChosen", "SegmentEncoded", "WorkFailed"),
        topics.PROGRESS: ("Progress",),
        topics.WORKERS: ("WorkerBeat",),
        **_LETTERS,
    },
    "storage": {
        topics.EVENTS: ("JobCompleted", "JobFailed", "JobCancelled", "WorkFailed"),
        **_LETTERS,
    },
}

RECEIVES: Wiring = {
    "gateway": {
        topics.STATUS: ("JobStatus",),
        topics.PROGRESS: ("Progress",),
        topics.WORKERS: ("WorkerBeat",),
    },
    "merge": {
        topics.REQUESTED: (REQUEST,),
        topics.EVENTS: _EVERY_EVENT,
        topics.CONTROL: ("Control",),
        topics.WORKERS: ("WorkerBeat",),
        topics.WORK_MERGE: ("ExtendPlaylist", "AssembleOutput"),
    },
    "download": {topics.CONTROL: ("Control",), topics.WORK_FETCH: ("FetchSource",)},
    "transcode": {topics.CONTROL: ("Control",), ENCODE_TOPIC: ("EncodeSegment", "ProbeQuality")},
    "storage": {
        topics.CONTROL: ("Control",),
        topics.STATUS: ("JobStatus",),
        topics.WORK_PUBLISH: ("PublishOutput",),
    },
}
