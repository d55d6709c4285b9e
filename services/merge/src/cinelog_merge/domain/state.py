"""The ledger's state of one job: small whatever the film's length, and a join in every field.

The state orders by run first: what belongs to an older run changes nothing.
Within a run every field either grows (sets, maxima) or keeps what came first in
the log, so the order, the repetition and the lateness of events do not matter.
"""

import msgspec
from cinelog_common.contract.events import (
    JobRequested,
    OutputAssembled,
    RecipeChosen,
    SourceEnded,
    SourceProbed,
)
from cinelog_common.contract.values import Failure, Loudness, Output, Track, Value

from cinelog_merge.domain.intervals import IntervalSet

MAX_UNITS = 200_000
MAX_TRACKS = 64
MAX_STEPS = 16
"""So many recipes may take each other's place in one run."""
MAX_DAMAGE = 20
MAX_REVISIONS = 24
"""In so many places the plan of one run is revised; more is damage."""

Place = tuple[int, int]
"""(log epoch, offset): a total order over everything that was ever appended for a job."""


class LogTime(Value, frozen=True, kw_only=True):
    """Where in the log an event lies and when the log took it."""

    epoch: int
    offset: int
    append_ms: int

    @property
    def place(self) -> Place:
        """The event's place in the order of the log."""
        return (self.epoch, self.offset)


class InFlight(Value, frozen=True, kw_only=True):
    """The latest attempt at a piece of work that was sent, and where its command lies."""

    command_id: str
    kind: str
    work: str
    attempt: int
    topic: str
    partition: int
    offset: int
    at_ms: int


class Setback(Value, frozen=True, kw_only=True):
    """The latest attempt at a piece of work that failed."""

    attempt: int
    failure: Failure
    permanent: bool
    at: Place
    at_ms: int
    retry_after_s: float = 0.0


class TrackState(Value, frozen=True, kw_only=True):
    """One track: how it is made, which fragments are stored, how many there are."""

    track: Track | None = None
    opened_at: Place | None = None
    ready: IntervalSet = IntervalSet()
    segments: int | None = None
    loudness: Loudness | None = None

    @property
    def complete(self) -> bool:
        """Whether every fragment is stored."""
        return self.track is not None and self.segments is not None and self.ready.prefix() >= self.segments


class Extended(Value, frozen=True, kw_only=True):
    """How far the live playlist reaches."""

    version: int = 0
    units: int = 0
    tracks: dict[str, int] = {}
    key: str | None = None
    ended: bool = False


class Ending(Value, frozen=True, kw_only=True):
    """How the run ended, as storage announced it."""

    outcome: str
    at: Place
    at_ms: int
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


class Encoded(Value, frozen=True, kw_only=True):
    """The units that one recipe has made."""

    units: IntervalSet = IntervalSet()
    generations: dict[str, int] = {}
    """Of units that are not of generation 0: the highest."""


class Choice(Value, frozen=True, kw_only=True):
    """A recipe that took the place of another, and where in the log it was told first."""

    event: RecipeChosen
    at: Place


class Revision(Value, frozen=True, kw_only=True):
    """That a unit, in a new generation, holds those up to `last`, decoded from unit `since` on."""

    last: int
    since: int
    at: Place


class RunState(Value, frozen=True, kw_only=True):
    """Everything known of one run."""

    probed: SourceProbed | None = None
    probed_at: Place | None = None
    recipe: RecipeChosen | None = None
    recipe_at: Place | None = None
    ready: IntervalSet = IntervalSet()
    ready_generations: dict[str, int] = {}
    """Of units that are not of generation 0: the highest that is stored."""
    wanted_generations: dict[str, int] = {}
    """Of units whose stored packets proved broken, or that a revision replaced: what replaces them."""
    ready_end: int = 0
    """Latest presentation time that is stored, in the picture's time base."""
    successors: dict[str, Choice] = {}
    """By step: the recipes after the first."""
    encoded: IntervalSet = IntervalSet()
    """Units that any recipe has made."""
    encoded_as: dict[str, Encoded] = {}
    """By the recipe's hash."""
    damage: tuple[tuple[int, str], ...] = ()
    """What transcode warned of: (unit, sentence), at most `MAX_DAMAGE`, those of the earliest units."""
    more_damage: bool = False
    """Whether there were more."""
    revisions: dict[str, Revision] = {}
    """By the first unit, which holds the others."""
    tracks: dict[str, TrackState] = {}
    source: SourceEnded | None = None
    source_at: Place | None = None
    extended: Extended = Extended()
    assembled: OutputAssembled | None = None
    assembled_at: Place | None = None
    cancelled: bool = False
    ending: Ending | None = None
    setbacks: dict[str, Setback] = {}
    """By `kind:work`; what has its outcome is left out."""
    in_flight: dict[str, InFlight] = {}
    """By `kind:work`; what has its outcome is left out."""
    lost: frozenset[str] = frozenset()
    """Ids of commands that were committed past, or left the log, without an outcome."""
    milestones_ms: dict[str, int] = {}
    """When things first happened, in the log's append time."""


class LedgerState(Value, frozen=True, kw_only=True):
    """Everything the ledger knows of one job."""

    job: str
    run: int = 1
    version: Place = (0, -1)
    request: JobRequested | None = None
    requested_at: Place | None = None
    created_ms: int = 0
    updated_ms: int = 0
    deleted: bool = False
    current: RunState = RunState()


def encode_state(state: LedgerState) -> bytes:
    """Return the table's value for `state`."""
    return msgspec.json.encode(state)


def decode_state(data: bytes) -> LedgerState:
    """Return the state in a table's value.

    Raises:
        msgspec.DecodeError: It is not one.
    """
    return msgspec.json.decode(data, type=LedgerState)


def slot_of(kind: str, work: str) -> str:
    """Return the name under which setbacks and in-flight commands of one piece of work are kept."""
    return f"{kind}:{work}"


def kind_and_work(slot: str) -> tuple[str, str]:
    """Return what `slot_of` made `slot` of."""
    kind, _, work = slot.partition(":")
    return kind, work
