import subprocess
import sys

import pytest

_FAULTS = """
import resource
from cinelog_common.memory import keep_freed_memory

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [bytes(1 << 20).replace(b"0", b"1") + b"1" for _ in range(64)]
    del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {keeps}:
    keep_freed_memory()
first = faults()
print(first, faults())
"""


def _faults(*, keeps: bool) -> tuple[int, int]:
    script = _FAULTS.format(keeps=keeps)
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    first, second = map(int, said.split())
    return first, second


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")
def test_freed_memory_is_used_again_without_asking_the_kernel() -> None:
    first, second = _faults(keeps=True)

    assert second < first / 10
    assert _faults(keeps=False)[1] > second * 10
