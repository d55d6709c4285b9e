"""Promises are kept: what was acknowledged is asked for again, once, in the order of its promise."""

import asyncio
from typing import Any

import pytest
from cinelog_common.collections import COLLECTIONS, JOBS, JOURNAL
from cinelog_common.contract.events import (
    Event,
    JobCancelRequested,
    JobRequested,
    JobRetried,
    RecipeChosen,
)
from cinelog_common.contract.values import Recipe, Source
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.journal import PAGE, Journal, Maker


class World:
    def __init__(self) -> None:
        self.documents = FakeDocumentStore(COLLECTIONS)
        self.journal = self.started_with(Maker(family="cpu", build="1"))

    def started_with(self, maker: Maker) -> Journal:
        return Journal(self.documents, maker)

    async def mirror(self, job: str, state: str, run: int = 1) -> None:
        body: dict[str, Any] = {"created_ms": 0, "state": state, "account": "local", "run": run, "job": job}
        await self.documents.put(JOBS.name, job, body, (1, run))

    async def asked_again(self) -> list[tuple[str, ...]]:
        return [
            tuple(event.type.split(".")[2] for event in events) for events in await self.journal.unfinished()
        ]


def a_request(job: str = "j", at_ms: int = 0, url: str = "a") -> JobRequested:
    return JobRequested(job=job, source=Source(url=url), requested_ms=at_ms, fingerprint=url)


def a_choice(run: int = 1, step: int = 0, version: str = "", family: str = "cpu") -> RecipeChosen:
    recipe = Recipe(
        family=family,
        encoder="libx264",
        version=version,
        codec="h264",
        preset="medium",
        pixel_format="yuv420p",
        time_base=(1, 25),
        frame_rate=(25, 1),
        renditions=(),
        max_segment_s=6.0,
    )
    return RecipeChosen(job="j", run=run, recipe=recipe, step=step)


def test_how_a_run_is_encoded_is_told_to_the_next_log_as_it_was_chosen_first() -> None:
    async def work() -> list[tuple[Event, ...]]:
        journal = World().journal
        await journal.chosen(a_choice(version="nobody was promised this job"))
        await journal.requested(a_request())
        await journal.chosen(a_choice())
        await journal.chosen(a_choice(step=1))
        await journal.chosen(a_choice(version="165"))
        return await journal.unfinished()

    assert asyncio.run(work()) == [(a_request(), a_choice(), a_choice(step=1))]


def test_another_run_is_encoded_as_it_is_chosen_then() -> None:
    async def work() -> list[list[tuple[Event, ...]]]:
        journal = World().journal
        await journal.requested(a_request())
        await journal.chosen(a_choice())
        await journal.retried("j", 2)
        found = [await journal.unfinished()]
        await journal.chosen(a_choice())
        await journal.chosen(a_choice(run=2, version="166"))
        return [*found, await journal.unfinished()]

    before, after = asyncio.run(work())

    retried = (a_request(), JobRetried(job="j", run=2))
    assert before == [retried]
    assert after == [(*retried, a_choice(run=2, version="166"))]


def test_what_was_chosen_for_a_device_that_may_be_gone_is_chosen_anew_and_so_is_what_took_its_place() -> None:
    async def work() -> list[tuple[Event, ...]]:
        journal = World().journal
        await journal.requested(a_request())
        await journal.chosen(a_choice(family="nvidia"))
        await journal.chosen(a_choice(step=1))
        return await journal.unfinished()

    assert asyncio.run(work()) == [(a_request(),)]


@pytest.mark.parametrize("maker", [Maker(family="intel", build="1"), Maker(family="cpu", build="2")])
def test_another_maker_chooses_anew(maker: Maker) -> None:
    async def work() -> list[list[tuple[Event, ...]]]:
        world = World()
        await world.journal.requested(a_request())
        await world.journal.chosen(a_choice())
        later = world.started_with(maker)
        found = [await later.unfinished()]
        await later.chosen(a_choice(version="its own", family=maker.family))
        return [*found, await later.unfinished()]

    assert asyncio.run(work()) == [
        [(a_request(),)],
        [(a_request(), a_choice(version="its own", family=maker.family))],
    ]


def test_the_first_body_under_a_job_id_wins() -> None:
    async def work() -> tuple[JobRequested, ...]:
        journal = World().journal
        return await journal.requested(a_request(url="a")), await journal.requested(a_request(url="b"))

    first, second = asyncio.run(work())

    assert first == second == a_request(url="a")


def test_of_many_requests_at_once_all_learn_of_the_one_that_won() -> None:
    async def work() -> list[JobRequested]:
        journal = World().journal
        return await asyncio.gather(*(journal.requested(a_request(url=str(n))) for n in range(20)))

    assert len({request.source.url for request in asyncio.run(work())}) == 1


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "deleted"])
def test_a_job_that_has_ended_is_not_asked_for_again(state: str) -> None:
    async def work() -> list[tuple[str, ...]]:
        world = World()
        await world.journal.requested(a_request())
        await world.mirror("j", state)
        return await world.asked_again()

    assert asyncio.run(work()) == []


@pytest.mark.parametrize("state", [None, "queued", "encoding", "publishing", "cancelling"])
def test_a_job_that_goes_on_is_asked_for_again(state: str | None) -> None:
    async def work() -> list[tuple[str, ...]]:
        world = World()
        await world.journal.requested(a_request())
        if state is not None:
            await world.mirror("j", state)
        return await world.asked_again()

    assert asyncio.run(work()) == [("requested",)]


def test_a_retried_job_is_asked_for_in_its_new_run_although_the_old_one_ended() -> None:
    async def work() -> list[tuple[Event, ...]]:
        world = World()
        await world.journal.requested(a_request())
        await world.mirror("j", "failed", run=1)
        await world.journal.retried("j", 2)
        return await world.journal.unfinished()

    assert asyncio.run(work()) == [(a_request(), JobRetried(job="j", run=2))]


def test_a_cancelled_job_is_cancelled_again_and_only_in_its_run() -> None:
    async def work() -> list[tuple[Event, ...]]:
        world = World()
        await world.journal.requested(a_request())
        await world.journal.cancelled("j", 1)
        first = await world.journal.unfinished()
        await world.journal.retried("j", 2)
        return [*first, *await world.journal.unfinished()]

    first, second = asyncio.run(work())

    assert first == (a_request(), JobCancelRequested(job="j", run=1))
    assert second == (a_request(), JobRetried(job="j", run=2))


def test_a_cancel_and_a_retry_at_the_same_time_both_count() -> None:
    async def work() -> Any:
        world = World()
        await world.journal.requested(a_request())
        await asyncio.gather(world.journal.cancelled("j", 2), world.journal.retried("j", 2))
        return await world.journal.entry("j")

    entry = asyncio.run(work())

    assert (entry.run, entry.cancelled_run) == (2, 2)


def test_whoever_waited_longest_goes_on_first_over_many_pages() -> None:
    async def work() -> list[str]:
        world = World()
        for number in range(2 * PAGE + 5):
            await world.journal.requested(a_request(f"j{number:04d}", at_ms=number))
        return [events[0].job for events in await world.journal.unfinished()]

    jobs = asyncio.run(work())

    assert jobs == sorted(jobs)
    assert len(jobs) == 2 * PAGE + 5


def test_a_promise_that_cannot_be_read_does_not_keep_the_others_from_being_kept() -> None:
    async def work() -> list[tuple[str, ...]]:
        world = World()
        await world.documents.insert(JOURNAL.name, "broken", {"requested_ms": 3, "request": "nonsense"})
        await world.journal.requested(a_request())
        return await world.asked_again()

    assert asyncio.run(work()) == [("requested",)]


def test_a_deleted_job_is_forgotten_and_changes_to_it_do_nothing() -> None:
    async def work() -> tuple[Any, list[tuple[str, ...]]]:
        world = World()
        await world.journal.requested(a_request())
        await world.journal.forget("j")
        await world.journal.cancelled("j", 1)
        return await world.journal.entry("j"), await world.asked_again()

    assert asyncio.run(work()) == (None, [])
