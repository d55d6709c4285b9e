"""A measured quality goes from the wish through every order to the result, in whatever order it is told."""

from cinelog_common.contract.commands import AssembleOutput, EncodeSegment, ProbeQuality, PublishOutput
from cinelog_common.contract.events import Event, OutputAssembled
from cinelog_common.contract.quality import QualityGoal, RenditionQuality
from cinelog_common.contract.values import Output
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.snapshots import snapshot
from cinelog_merge.domain.state import LedgerState, LogTime, decode_state, encode_state
from cinelog_merge.testing import JOB, Film, World, a_request
from hypothesis import given
from hypothesis import strategies as st

FOUND = RenditionQuality(name="720p", metric="ssim", mean=0.97, lowest=0.9, units=3, size_bytes=10)
OTHER = RenditionQuality(name="720p", metric="ssim", mean=0.96, lowest=0.9, units=3, size_bytes=10)


def assembled(quality: RenditionQuality) -> OutputAssembled:
    return OutputAssembled(
        job=JOB, outputs=(Output(kind="mp4", key="k"),), quality=(quality,), warnings=("short",)
    )


def lived(**options: object) -> World:
    world, film = World(), Film(units=3)
    world.append(a_request(**options))
    world.settle()
    while world.waiting:
        command = world.waiting.pop(0)
        found = assembled(FOUND) if isinstance(command, AssembleOutput) else None
        world.append(*((found,) if found and options else film.outcome(command)))
        world.settle()
    return world


def test_a_target_reaches_every_order_and_what_was_found_reaches_the_result() -> None:
    goal = QualityGoal(metric="xpsnr", target=40.0)

    world = lived(target_xpsnr=40.0)

    asked = [one for one in world.sent if isinstance(one, ProbeQuality | EncodeSegment | AssembleOutput)]
    assert {type(one).__name__ for one in asked} == {"ProbeQuality", "EncodeSegment", "AssembleOutput"}
    assert all((one.goal if isinstance(one, ProbeQuality) else one.quality) == goal for one in asked)
    (publish,) = [one for one in world.sent if isinstance(one, PublishOutput)]
    assert publish.quality == (FOUND,)
    assert "short" in publish.warnings
    assert world.state is not None
    assert snapshot(world.state).quality == (FOUND,)


def test_measuring_without_a_target_looks_for_no_quality() -> None:
    world = lived(measure_quality=True)

    assert not any(isinstance(one, ProbeQuality) for one in world.sent)
    encodes = [one for one in world.sent if isinstance(one, EncodeSegment)]
    assert {one.quality for one in encodes} == {QualityGoal()}


def test_nothing_is_measured_unasked() -> None:
    world = lived()

    assert all(one.quality is None for one in world.sent if isinstance(one, EncodeSegment | AssembleOutput))
    assert world.state is not None
    assert snapshot(world.state).quality == ()


@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_of_two_findings_the_first_in_the_log_holds_whenever_it_is_seen(
    order: list[int], again: list[int]
) -> None:
    log: list[Event] = [a_request(target_ssim=0.95), assembled(FOUND), assembled(OTHER), assembled(OTHER)]
    state: LedgerState | None = None

    for at in (*order, *again):
        state = apply(state, log[at], LogTime(epoch=1, offset=at, append_ms=at))
        state = decode_state(encode_state(state))

    assert state is not None
    assert snapshot(state).quality == (FOUND,)
