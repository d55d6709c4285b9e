"""A small world round the ledger: a log, workers that do what they are told, and every kind of bad luck.

Used to show that whatever is delivered late, twice or never acknowledged, every job ends.
"""

from functools import partial
from typing import Any

from cinelog_common.contract.commands import (
    AssembleOutput,
    Command,
    EncodeSegment,
    ExtendPlaylist,
    FetchSource,
    ProbeQuality,
    PublishOutput,
)
from cinelog_common.contract.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRequested,
    OutputAssembled,
    PlaylistExtended,
    RecipeChosen,
    SegmentEncoded,
    SegmentReady,
    SourceEnded,
    SourceProbed,
    TrackEnded,
    TrackOpened,
    TrackSegmentReady,
    WorkFailed,
)
from cinelog_common.contract.values import (
    AudioInfo,
    EncodedRendition,
    Failure,
    Options,
    Output,
    Source,
    Track,
    VideoInfo,
)
from msgspec.structs import replace

from cinelog_merge.domain.deciding import Decision, Order, Sent, decide, dispatched
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.state import LedgerState, LogTime

JOB = "00000000-0000-5000-8000-000000000001"
POOLS = Pools(pools={"cpu": Pool(live_slots=2, encoders={"libx264": "165"})})


def a_request(**options: Any) -> JobRequested:
    """Return a request for a small film."""
    return JobRequested(
        job=JOB, source=Source(url="https://example.org/film.mp4"), options=Options(**options)
    )


class Film:
    """A source as the workers of the test world find it."""

    def __init__(self, *, units: int = 3, fragments: int = 3, has_picture: bool = True) -> None:
        self.units = units if has_picture else 0
        self.fragments = fragments
        self.has_picture = has_picture

    def outcome(self, command: Command) -> tuple[Event, ...]:
        """Return the events with which a worker answers `command`."""
        job, run, attempt = command.job, command.run, command.attempt
        match command:
            case FetchSource() if command.regenerate:
                return tuple(self.segment(command, int(n), g) for n, g in command.regenerate.items())
            case FetchSource():
                return self.fetched(command)
            case EncodeSegment():
                return (
                    SegmentEncoded(
                        job=job,
                        run=run,
                        attempt=attempt,
                        n=command.n,
                        generation=command.generation,
                        recipe=command.recipe.hash,
                        parts=1,
                        frames=100,
                        renditions=(EncodedRendition(name="720p", init_hash="a", size_bytes=1),),
                    ),
                )
            case ExtendPlaylist():
                return (
                    PlaylistExtended(
                        job=job,
                        run=run,
                        attempt=attempt,
                        version=command.version,
                        units=command.extent.units,
                        tracks=command.extent.tracks,
                        key="master.m3u8",
                        ended=command.ended,
                    ),
                )
            case AssembleOutput():
                output = Output(kind="mp4", key="film.mp4")
                return (OutputAssembled(job=job, run=run, attempt=attempt, outputs=(output,)),)
            case PublishOutput():
                return (self.ending(command),)
            case ProbeQuality():
                rendition = replace(command.recipe.renditions[0], crf=30)
                recipe = replace(command.recipe, renditions=(rendition,))
                return (RecipeChosen(job=job, run=run, attempt=attempt, recipe=recipe),)
            case _:
                raise AssertionError(command)

    def fetched(self, command: FetchSource) -> tuple[Event, ...]:
        """Return what download says of the whole source."""
        job, run, attempt = command.job, command.run, command.attempt
        probed = SourceProbed(
            job=job,
            run=run,
            attempt=attempt,
            fingerprint="f",
            container="mp4",
            duration_s=12.0,
            video=VideoInfo(codec="h264", width=1280, height=720, time_base=(1, 12800), frame_rate=(25, 1))
            if self.has_picture
            else None,
            audio=(AudioInfo(codec="aac", sample_rate=48000, channels=2),) if self.fragments else (),
        )
        events: list[Event] = [probed]
        if self.fragments:
            events.append(TrackOpened(job=job, run=run, attempt=attempt, track=self.track(command)))
        for n in range(max(self.units, self.fragments)):
            if n < self.units:
                events.append(self.segment(command, n, 0))
            if n < self.fragments:
                events.append(
                    TrackSegmentReady(
                        job=job,
                        run=run,
                        attempt=attempt,
                        track="a0",
                        recipe=command.audio.hash,
                        n=n,
                        key="k",
                        start=n,
                        end=n + 1,
                        size_bytes=1,
                    )
                )
        if self.fragments:
            events.append(
                TrackEnded(
                    job=job,
                    run=run,
                    attempt=attempt,
                    track="a0",
                    recipe=command.audio.hash,
                    segments=self.fragments,
                    end=self.fragments,
                )
            )
        tracks = ("a0",) if self.fragments else ()
        events.append(
            SourceEnded(
                job=job,
                run=run,
                attempt=attempt,
                units=self.units,
                tracks=tracks,
                size_bytes=1,
                duration_s=12.0,
            )
        )
        return tuple(events)

    @staticmethod
    def track(command: FetchSource) -> Track:
        """Return the film's one sound track."""
        return Track(
            name="a0",
            kind="audio",
            codec="mp4a.40.2",
            recipe=command.audio.hash,
            init_key="i",
            timescale=48000,
        )

    @staticmethod
    def segment(command: FetchSource, n: int, generation: int) -> SegmentReady:
        """Return what download says of one unit."""
        return SegmentReady(
            job=command.job,
            run=command.run,
            attempt=command.attempt,
            n=n,
            generation=generation,
            key="k",
            start=n * 51200,
            end=(n + 1) * 51200,
            frames=100,
            size_bytes=1,
        )

    @staticmethod
    def ending(command: PublishOutput) -> Event:
        """Return the end that storage announces."""
        job, run, attempt = command.job, command.run, command.attempt
        match command.outcome:
            case "completed":
                return JobCompleted(
                    job=job, run=run, attempt=attempt, manifest_key="m", outputs=command.outputs
                )
            case "cancelled":
                return JobCancelled(job=job, run=run, attempt=attempt)
            case _:
                failure = command.failure or Failure(category="internal", message="?")
                return JobFailed(job=job, run=run, attempt=attempt, failure=failure)


def refusal(command: Command, *, category: str = "dependency", permanent: bool = False) -> WorkFailed:
    """Return a worker's word that an attempt failed."""
    return WorkFailed(
        job=command.job,
        run=command.run,
        attempt=command.attempt,
        command=command.kind,
        work=command.work,
        failure=Failure(category=category, message="It did not work."),
        permanent=permanent,
    )


class World:
    """One job's log, its ledger, and commands that wait for a worker."""

    def __init__(self, pools: Pools = POOLS) -> None:
        self.log: list[Event] = []
        self.read = 0
        self.state: LedgerState | None = None
        self.waiting: list[Command] = []
        self.sent: list[Command] = []
        self.now_ms = 1_000_000
        self._pools = pools

    def append(self, *events: Event) -> None:
        """Add events to the end of the log."""
        self.log.extend(events)

    def step(self, *, crash_after: int | None = None) -> None:
        """Let the ledger take the next event.

        Args:
            crash_after: The member dies after so many sends, before the state is stored; the event stays.
        """
        event = self.log[self.read]
        at = LogTime(epoch=1, offset=self.read, append_ms=self.now_ms)
        state = apply(self.state, event, at)
        decision = decide(state, self._pools, self.now_ms)
        sends: list[partial[None]] = [partial(self._send, order) for order in decision.orders]
        sends += [partial(self.log.append, event) for event in decision.events]
        for count, send in enumerate(sends):
            if crash_after is not None and count >= crash_after:
                return
            send()
        if crash_after is not None:
            return
        self.state = dispatched(state, self._receipts(decision))
        self.read += 1

    def settle(self) -> None:
        """Let the ledger take everything there is."""
        while self.read < len(self.log):
            self.step()

    def _send(self, order: Order) -> None:
        self.waiting.append(order.command)
        self.sent.append(order.command)

    def _receipts(self, decision: Decision) -> tuple[Sent, ...]:
        return tuple(
            Sent(
                command_id=order.command.id,
                kind=order.command.kind,
                work=order.command.work,
                attempt=order.command.attempt,
                topic=order.topic,
                partition=0,
                offset=len(self.sent),
                at_ms=self.now_ms,
            )
            for order in decision.orders
        )


def in_run(event: Event, run: int) -> Event:
    """Return `event` as one of another run."""
    return replace(event, run=run)
