"""A part file keeps what it was given, whoever is cancelled meanwhile."""

import asyncio
import time
from pathlib import Path

import pytest
from cinelog_download.adapters import parts
from cinelog_download.adapters.parts import PartFile, Version
from cinelog_fastio import checksum_file


def test_what_a_cancelled_caller_was_noting_is_noted_before_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(path: Path, start: int, length: int) -> int:
        time.sleep(0.2)
        return checksum_file(path, start, length)

    async def story() -> None:
        part = PartFile.create(tmp_path / "part", Version(size=1000), reserve_bytes=0)
        await part.write(0, b"x" * 400)
        noting = asyncio.create_task(part.note())
        while not part.unnoted_bytes or part._pending.total:  # noqa: ASYNC110 - the loop must turn
            await asyncio.sleep(0)
        noting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await noting
        await part.close()

        again = PartFile.resume(tmp_path / "part")

        assert again is not None
        assert again.done.covers(0, 400)
        await again.close()

    monkeypatch.setattr(parts, "checksum_file", slowly)
    asyncio.run(story())
