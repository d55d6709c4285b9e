"""One input on its way into a part file: by ranges, front first, or as one stream where there are none."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cinelog_common.clock import Clock
from cinelog_common.errors import Category, CinelogError, TransientError

from cinelog_download.adapters.parts import PartFile
from cinelog_download.adapters.patience import Patience, broken_off, too_large
from cinelog_download.domain.answers import Validator, Wanted, changed
from cinelog_download.domain.blips import Stall
from cinelog_download.domain.connections import ConnectionBudget
from cinelog_download.domain.limits import LEAST_REQUEST_BYTES, FetchPolicy
from cinelog_download.domain.ranges import Claim, RangePlan
from cinelog_download.domain.splices import Splice
from cinelog_download.domain.throttling import Throttle
from cinelog_download.ports import Body, RangeSource

_AHEAD_S: Final = 2.0
"""A request brings about so much at most, so that whatever comes beside it lies just behind it."""


class PartFetch:
    """A running fetch; see `ports.Fetch`. Made by `start`."""

    def __init__(
        self,
        source: RangeSource,
        part: PartFile,
        *,
        policy: FetchPolicy,
        clock: Clock,
        throttle: Throttle | None = None,
    ) -> None:
        self._source = source
        self._part = part
        self._policy = policy
        self._clock = clock
        self._throttle = throttle
        self._size = part.version.size
        self._plan: RangePlan | None = None
        self._budget = ConnectionBudget(policy.connections)
        self._request_bytes = policy.request_bytes
        self._asked = part.version.validator
        self._cramped = False
        """Something could be asked for, but too much is under way or not noted."""
        self._alone = False
        """The source refused a second request at the same time."""
        self._received = 0
        self._latency_s = 0.0
        self._rate_bps = 0.0
        self._wake = asyncio.Event()
        self._waiters: dict[asyncio.Future[None], tuple[int, int]] = {}
        self._claims: dict[asyncio.Task[None], Claim] = {}
        self._running: asyncio.Task[None] | None = None
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._complete.add_done_callback(_look_at)

    def start(
        self,
        body: Body | None,
        *,
        ranged: bool,
        request_bytes: int | None = None,
        conditional: bool = True,
    ) -> None:
        """Begin with `body`, which is this fetch's from now on.

        Args:
            body: An answer that is already open.
            ranged: Whether the source gives out ranges.
            request_bytes: No request may ask for more.
            conditional: Whether the source answers with a range where it is to be of a certain version.
        """
        if request_bytes is not None:
            self._request_bytes = max(min(self._request_bytes, request_bytes), 1)
        if not conditional:
            self._asked = Validator()
        if ranged and self._size is not None:
            self._plan = RangePlan(self._size, self._part.done)
            work = self._fetch_ranges(self._plan, body)
        else:
            work = self._fetch_stream(body)
        self._running = asyncio.create_task(work, name=f"fetch {self._part.path.name}")
        self._running.add_done_callback(self._ended)

    @property
    def path(self) -> Path:
        """The part file."""
        return self._part.path

    @property
    def size(self) -> int | None:
        """The whole size in bytes, as far as known."""
        return self._size

    @property
    def accepts_ranges(self) -> bool:
        """Whether a range can be made to come sooner."""
        return self._plan is not None

    @property
    def bytes_fetched(self) -> int:
        """How many bytes are there."""
        return self._part.done.total

    @property
    def validator(self) -> Validator:
        """The version that is being fetched."""
        return self._part.version.validator

    @property
    def splices(self) -> Sequence[Splice]:
        """Where new stretches of media begin."""
        return self._source.splices

    @property
    def complete(self) -> "asyncio.Future[None]":
        """Done when every byte is there."""
        return self._complete

    def available(self, start: int, length: int) -> bool:
        """Tell whether these bytes can be read now."""
        stop = start + length if self._size is None else min(start + length, self._size)
        return self._part.done.covers(start, stop)

    async def wait_for(self, start: int, length: int) -> None:
        """Wait for a range, which is fetched before others; see `ports.Fetch`."""
        if self.available(start, length):
            return None
        if self._complete.done():
            # Behind the end of a source whose size was not known: nothing more will come.
            return self._complete.result()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = (start, start + length)
        self._wake.set()
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    async def close(self) -> None:
        """Stop and keep what is there; see `ports.Fetch`."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        await self._part.close()

    async def _fetch_ranges(self, plan: RangePlan, body: Body | None) -> None:
        try:
            if body is not None:
                stop = body.stop if body.stop is not None else plan.size
                self._spawn(plan.adopt(body.start, stop), body)
            while not plan.complete:
                self._fill(plan)
                if self._cramped and not self._claims:
                    await self._part.note()
                    continue
                await self._wake.wait()
                self._wake.clear()
                self._reap(plan)
        finally:
            tasks = list(self._claims)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._part.note()

    def _fill(self, plan: RangePlan) -> None:
        """Send as many requests as there are connections for."""
        if self._alone and self._claims:
            return
        length = self._request_bytes // self._budget.allowed
        if self._rate_bps > 0:
            length = min(length, int(self._rate_bps * _AHEAD_S))
        # Never more than the site or the size of a chunk allows, however little that is.
        length = max(length, min(LEAST_REQUEST_BYTES, self._request_bytes))
        if not any(claim.urgent and not claim.ending for claim in plan.claims):
            # Somebody waits: at least a little is asked for, whatever is under way.
            urgent = min(length, max(self._left_to_ask(plan), LEAST_REQUEST_BYTES))
            claim = plan.next_urgent(self._waiters.values(), urgent)
            if claim is not None:
                self._spawn(claim)
        self._cramped = False
        while self._has_room(plan):
            left = self._left_to_ask(plan)
            self._cramped = left < min(length, LEAST_REQUEST_BYTES)
            claim = None if self._cramped else plan.next_in_order(min(length, left))
            if claim is None:
                return
            self._spawn(claim)

    def _left_to_ask(self, plan: RangePlan) -> int:
        """Return how many bytes may be asked for without more than a chunk being at stake."""
        under_way = sum(claim.left for claim in plan.claims)
        return self._policy.at_stake_bytes - under_way - self._part.unnoted_bytes

    def _has_room(self, plan: RangePlan) -> bool:
        if self._alone:
            return not self._claims
        busy = sum(not claim.urgent and not claim.ending for claim in plan.claims)
        return busy < self._budget.allowed

    def _spawn(self, claim: Claim, body: Body | None = None) -> None:
        task = asyncio.create_task(self._bring(claim, body), name=f"fetch range {claim.position}")
        self._claims[task] = claim
        task.add_done_callback(lambda _: self._wake.set())

    def _reap(self, plan: RangePlan) -> None:
        for task in [task for task in self._claims if task.done()]:
            plan.release(self._claims.pop(task))
            error = task.exception()
            if isinstance(error, CinelogError) and self._claims and not self._alone:
                # Several requests at once may be what it refuses: another one still brings something.
                self._alone = True
                self._budget.fall_back()
            elif error is not None:
                raise error

    async def _bring(self, claim: Claim, body: Body | None) -> None:
        patience = Patience(self._policy, self.path.name)
        while claim.left > 0:
            before = claim.position
            try:
                body = body or await self._ask(claim)
                try:
                    await self._drain(body, claim)
                finally:
                    await body.close()
            except TransientError as error:
                if error.category is Category.SOURCE_UNAVAILABLE and len(self._claims) > 1:
                    raise
                await patience.sit_out(error, gained=claim.position - before)
            body = None

    async def _ask(self, claim: Claim) -> Body:
        began = self._clock.monotonic()
        wanted = Wanted(start=claim.position, stop=claim.stop, validator=self._asked)
        body = await self._source.get(wanted)
        self._latency_s = self._clock.monotonic() - began
        error = self._unfit(body, wanted)
        if error is not None:
            await body.close()
            raise error
        return body

    def _unfit(self, body: Body, wanted: Wanted) -> CinelogError | None:
        if body.validator.contradicts(self.validator):
            return changed("it names another version")
        if body.total is not None and self._size is not None and body.total != self._size:
            return changed(f"it has {body.total} bytes now, and had {self._size}")
        if body.ranged and body.start == wanted.start:
            return None
        conditional = wanted.validator.if_range is not None
        if not body.ranged and conditional and not body.validator.names(self.validator):
            return changed("it no longer answers as that version")
        # Some servers never take a condition, and answer with the whole of the version that is meant.
        self._asked = Validator()
        return broken_off("the server answered with other bytes than were asked for")

    async def _drain(self, body: Body, claim: Claim) -> None:
        stall = self._stall()
        began, had = self._clock.monotonic(), claim.position
        while claim.left > 0:
            data = (await self._read(body, stall))[: claim.left]
            if claim.left <= 0:
                return
            if not data and claim.position == body.stop:
                # Less than was asked for, as the server said it would be.
                return
            if not data:
                raise broken_off(f"it ended {claim.left} bytes too early")
            await self._land(claim.position, data)
            claim.position += len(data)
            elapsed = self._clock.monotonic() - began
            if elapsed > 0:
                self._rate_bps = (claim.position - had) / elapsed
            if not claim.ending and claim.left <= self._rate_bps * self._latency_s:
                claim.ending = True
                self._wake.set()

    async def _fetch_stream(self, body: Body | None) -> None:
        patience = Patience(self._policy, self.path.name)
        while True:
            before = self.bytes_fetched
            try:
                body = body or await self._ask_whole()
                try:
                    await self._pour(body)
                finally:
                    await body.close()
                break
            except TransientError as error:
                await patience.sit_out(error, gained=self.bytes_fetched - before)
            body = None
        await self._part.note()

    async def _ask_whole(self) -> Body:
        body = await self._source.get(Wanted())
        if body.validator.contradicts(self.validator):
            await body.close()
            raise changed("it names another version")
        return body

    async def _pour(self, body: Body) -> None:
        stall = self._stall()
        offset = body.start
        while data := await self._read(body, stall):
            if offset + len(data) > self._policy.max_source_bytes:
                raise too_large(self._policy.max_source_bytes)
            await self._land(offset, data)
            offset += len(data)
        # A range may end before the source does, whose size it then says.
        size = body.total if self._size is None else self._size
        if size is not None and offset < size:
            raise broken_off(f"it ended {size - offset} bytes too early")
        self._size = offset

    async def _read(self, body: Body, stall: Stall) -> bytes:
        try:
            async with asyncio.timeout(self._policy.stall_window_s):
                data = await body.read()
        except TimeoutError as error:
            raise broken_off("it stopped sending") from error
        if data and stall.stalled(self._clock.monotonic(), len(data)):
            raise broken_off("it almost stopped sending")
        if data and self._throttle is not None:
            wait_s = self._throttle.wait_s(self._clock.monotonic(), len(data))
            await asyncio.sleep(wait_s)
        return data

    async def _land(self, offset: int, data: bytes) -> None:
        await self._part.write(offset, data)
        await self._part.note(self._policy.note_bytes)
        if self._cramped:
            self._wake.set()
        self._received += len(data)
        if self._plan is not None:
            allowed = self._budget.allowed
            left = self._plan.size - self.bytes_fetched
            now_allowed = self._budget.observe(self._clock.monotonic(), self._received, left)
            if now_allowed < allowed:
                self._plan.keep(now_allowed)
            if now_allowed != allowed:
                self._wake.set()
        for waiter, (start, stop) in self._waiters.items():
            if not waiter.done() and self.available(start, stop - start):
                waiter.set_result(None)

    def _stall(self) -> Stall:
        return Stall(
            window_s=self._policy.stall_window_s,
            least_bytes=self._policy.stall_bytes,
            now=self._clock.monotonic(),
        )

    def _ended(self, running: "asyncio.Task[None]") -> None:
        error = broken_off("the fetch was stopped") if running.cancelled() else running.exception()
        if error is None:
            self._complete.set_result(None)
        else:
            self._complete.set_exception(error)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None) if error is None else waiter.set_exception(error)


def _look_at(future: "asyncio.Future[None]") -> None:
    """Take note of the error, so that it is not reported as overlooked if nobody waits for it."""
    if not future.cancelled():
        future.exception()
