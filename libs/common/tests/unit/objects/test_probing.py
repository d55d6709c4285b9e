import asyncio
from pathlib import Path

import pytest
from cinelog_common.errors import PermanentError
from cinelog_common.objects.ports import Created, Exists, ObjectInfo
from cinelog_common.objects.testing import FakeObjectStore


class CarelessStore(FakeObjectStore):
    """Ignores If-None-Match, as old S3 servers do."""

    async def create(self, key: str, data: bytes | Path) -> Created | Exists:
        return Created(info=self._keep(key, data))


class ForgetfulStore(FakeObjectStore):
    """Ignores If-Match."""

    async def replace(self, key: str, data: bytes, *, if_match: str | None) -> ObjectInfo:
        return self._keep(key, data)


@pytest.mark.parametrize(
    ("store", "reason"),
    [(CarelessStore(), "created only once"), (ForgetfulStore(), "changed in between")],
)
def test_a_store_that_lets_the_second_writer_win_is_refused(store: FakeObjectStore, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        asyncio.run(store.probe())

    assert store.objects == {}
