"""Sites that are busy for a moment in the middle of a fetch, and say for how long."""

from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.errors import Category
from cinelog_download.adapters.network import Network
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.ports import Input
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.scenes import DATA, QUICK, failure, play, whole

PATIENT = msgspec.structs.replace(QUICK, retries=RetryPolicy(attempts=4, first_s=0.01, most_s=2.0))
NOW_S = 1_700_000_000.0
IN_A_SECOND = formatdate(NOW_S + 1, usegmt=True)


@pytest.mark.parametrize("asked", ["1", IN_A_SECOND])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_site_is_not_asked_again_before_it_wants_to_be(tmp_path: Path, asked: str, *, ranges: bool) -> None:
    # The first answer breaks off, the next two are refusals.
    behaviour = Behaviour(
        ranges=ranges, cut_after=50_000, cuts=1, statuses=(200, 503, 429), retry_after=asked
    )

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, behaviour)

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        _, *refused, taken = origin.asked("/a.mp4")[:4]
        assert [seen.status for seen in refused] == [503, 429]
        assert refused[1].at_s - refused[0].at_s >= 1.0
        assert taken.at_s - refused[1].at_s >= 1.0

    play(scene, PATIENT, ManualClock(NOW_S))


@pytest.mark.parametrize(("asked", "told"), [("120", 120.0), ("9" * 30, 6 * 3600.0), (IN_A_SECOND, 1.0)])
def test_what_a_site_asks_for_at_the_first_request_is_left_to_the_ledger(
    tmp_path: Path, asked: str, told: float
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(status=429, retry_after=asked))

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert error.category is Category.SOURCE_UNAVAILABLE
        assert error.retry_after_s == told
        assert len(origin.requests) == 1

    play(scene, PATIENT, ManualClock(NOW_S))
