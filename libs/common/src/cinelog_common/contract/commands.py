"""Every command: an order to one service, in the imperative. Only the ledger gives orders."""

from typing import ClassVar

from cinelog_common.contract.quality import QualityGoal, RenditionQuality
from cinelog_common.contract.values import (
    AudioRecipe,
    Chapter,
    Failure,
    Hold,
    Output,
    Recipe,
    Source,
    Subtitle,
    Track,
    Value,
)
from cinelog_common.ids import name_id


class Command(Value, frozen=True, kw_only=True):
    """One piece of work for one run of one job."""

    type: ClassVar[str] = ""
    kind: ClassVar[str] = ""

    job: str
    run: int = 1
    attempt: int = 1
    priority: str = "normal"

    @property
    def work(self) -> str:
        """What within the run this is about: the same for every attempt at it."""
        return ""

    @property
    def id(self) -> str:
        """The same for the same attempt at the same work."""
        return name_id(self.type, self.job, self.run, self.work, self.attempt)


class FetchSource(Command, frozen=True, kw_only=True):
    """Bring the source in: packets as bundles, sound (or every track) as fragments."""

    type = "cinelog.source.fetch.v1"
    kind = "fetch"
    source: Source
    audio: AudioRecipe
    video: str = "bundles"
    """`bundles` for encoding, `copy` to pass the picture through as a track, `none`."""
    segment_s: float = 4.0
    max_segment_s: float = 8.0
    title: str | None = None
    regenerate: dict[str, int] = {}
    """Units whose stored bundle proved broken, by number: the generation to store them under."""
    holds: tuple[Hold, ...] = ()
    """Of these units: which ones they hold from now on, and where their decoding begins."""
    salvage: bool = False
    """Whether to deliver what there is of a source that breaks off."""
    subtitles: str = "all"
    """As in `Options`."""

    @property
    def work(self) -> str:
        """The whole source, or the units that are to be stored again."""
        return ",".join(f"{n}.g{self.regenerate[n]}" for n in sorted(self.regenerate, key=int))


class EncodeSegment(Command, frozen=True, kw_only=True):
    """Encode one work unit in every rendition of the recipe."""

    type = "cinelog.segment.encode.v1"
    kind = "encode"
    n: int
    recipe: Recipe
    generation: int = 0
    salvage: bool = False
    """Whether to deliver what can be decoded of a unit that is damaged."""
    quality: QualityGoal | None = None
    """What to measure; None for nothing."""
    rest: int | None = None
    """How many units follow, where that is known already: who encodes the last ones may use more cores."""

    @property
    def work(self) -> str:
        """The unit, its generation and its recipe."""
        return f"{self.n}.g{self.generation}.{self.recipe.hash}"


class ProbeQuality(Command, frozen=True, kw_only=True):
    """Find the constant quality that reaches the target on the first units."""

    type = "cinelog.quality.probe.v1"
    kind = "probe"
    recipe: Recipe
    units: tuple[int, ...]
    target_ssim: float
    goal: QualityGoal | None = None
    """Counts instead of `target_ssim`, where it is given."""
    pictures: int | None = None
    """So many are compared at most, a twentieth of the film; None if its length is not known."""

    @property
    def work(self) -> str:
        """The recipe that is being tuned."""
        return self.recipe.hash


class Extent(Value, frozen=True, kw_only=True):
    """How far a run's pieces reach: what a playlist or a joined file is made of."""

    units: int = 0
    """The first so many work units, each encoded."""
    generations: dict[str, int] = {}
    """Units that are not of generation 0."""
    absent: tuple[int, ...] = ()
    """Units that a revision of the plan merged into a neighbour."""
    tracks: dict[str, int] = {}
    """Fragments of each track."""
    recipes: dict[str, str] = {}
    """By the unit from which on it counts: the hash of a recipe. Empty if the command's counts for all."""


class ExtendPlaylist(Command, frozen=True, kw_only=True):
    """Let the live playlist reach as far as `extent`."""

    type = "cinelog.playlist.extend.v1"
    kind = "extend"
    version: int
    extent: Extent
    tracks: tuple[Track, ...] = ()
    recipe: Recipe | None = None
    ended: bool = False
    segment_s: float = 4.0
    max_segment_s: float = 8.0

    @property
    def work(self) -> str:
        """The playlist's version."""
        return str(self.version)


class AssembleOutput(Command, frozen=True, kw_only=True):
    """Join everything, without re-encoding, into the wanted containers."""

    type = "cinelog.output.assemble.v1"
    kind = "assemble"
    extent: Extent
    containers: tuple[str, ...]
    tracks: tuple[Track, ...] = ()
    recipe: Recipe | None = None
    title: str = ""
    tags: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    cover_key: str = ""
    verify: str = "seams"
    max_segment_s: float = 8.0
    subtitles: tuple[Subtitle, ...] = ()
    quality: QualityGoal | None = None
    """What was measured and is to be told; None for nothing."""
    source_bytes: int | None = None


class PublishOutput(Command, frozen=True, kw_only=True):
    """End the run: publish the result, or a tombstone; the manifest decides which of two ends won."""

    type = "cinelog.output.publish.v1"
    kind = "publish"
    outcome: str
    """`completed`, `failed` or `cancelled`."""
    failure: Failure | None = None
    outputs: tuple[Output, ...] = ()
    extent: Extent = Extent()
    recipe: Recipe | None = None
    tracks: tuple[Track, ...] = ()
    destination: str | None = None
    title: str = ""
    source_url: str = ""
    duration_s: float | None = None
    tags: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    warnings: tuple[str, ...] = ()
    subtitles: tuple[Subtitle, ...] = ()
    quality: tuple[RenditionQuality, ...] = ()

    @property
    def work(self) -> str:
        """The outcome."""
        return self.outcome


COMMANDS: tuple[type[Command], ...] = (
    FetchSource,
    EncodeSegment,
    ProbeQuality,
    ExtendPlaylist,
    AssembleOutput,
    PublishOutput,
)
COMMAND_TYPES: dict[str, type[Command]] = {command.type: command for command in COMMANDS}
