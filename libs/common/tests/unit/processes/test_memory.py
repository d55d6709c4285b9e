import subprocess
import sys

import pytest
from cinelog_common.memory import LARGE, SMALL

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")

_FAULTS = """
import resource
from cinelog_common.memory import keep_freed_memory

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [bytes({block}).replace(b"0", b"1") + b"1" for _ in range({blocks})]
    del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {largest}:
    keep_freed_memory({largest})
first = faults()
print(first, faults())
"""
_HELD = """
import resource
from pathlib import Path
from cinelog_common.memory import LARGE, give_back_freed_memory, keep_freed_memory

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

keep_freed_memory(LARGE)
before = resident()
held = [b"1" * (8 << 20) for _ in range(16)]
# What lies behind the blocks keeps them from the end of the heap, where alone pages go of themselves.
last = b"1" * 1000
del held
kept = resident()
give_back_freed_memory()
print(before, kept, resident())
"""


def _numbers(script: str) -> list[int]:
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return [int(word) for word in said.split()]


def _faults(*, largest: int, block: int) -> tuple[int, int]:
    first, second = _numbers(_FAULTS.format(largest=largest, block=block, blocks=(64 << 20) // block))
    return first, second


@pytest.mark.parametrize(("largest", "block"), [(SMALL, 1 << 20), (LARGE, 16 << 20)])
def test_freed_memory_is_used_again_without_asking_the_kernel(largest: int, block: int) -> None:
    first, second = _faults(largest=largest, block=block)

    assert second < first / 10
    assert _faults(largest=0, block=block)[1] > second * 10


def test_small_blocks_alone_are_kept_unless_more_is_asked_for() -> None:
    assert _faults(largest=SMALL, block=16 << 20)[1] > 10 * _faults(largest=LARGE, block=16 << 20)[1]


def test_what_was_kept_can_be_given_back() -> None:
    before, kept, after = _numbers(_HELD)

    assert kept - before > 100 << 20
    assert after - before < (kept - before) / 10
