import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Lock, Thread

import pytest
from cinelog_fastio import Packet, StreamParameters, backend
from cinelog_fastio.kernel import Kernel
from cinelog_fastio.layout import RECORD_OVERHEAD, TRAILER
from cinelog_fastio.testing import packed

REPORT = "from cinelog_fastio import backend; print(backend.name, backend.kernel.__name__)"


def run(code: str, kernel: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != backend.VARIABLE}
    if kernel is not None:
        environment[backend.VARIABLE] = kernel
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("kernel", "name"), [(None, "native"), ("native", "native"), ("pure", "pure")])
def test_only_the_variable_chooses_the_kernel(kernel: str | None, name: str) -> None:
    result = run(REPORT, kernel)

    assert result.stdout.split() == [name, f"cinelog_fastio._{name}"]


def test_an_unknown_kernel_is_an_import_error() -> None:
    result = run(REPORT, "fast")

    assert "ImportError: CINELOG_FASTIO is 'fast'; it must be 'native' or 'pure'" in result.stderr


def test_a_missing_native_kernel_is_a_clear_error_and_never_the_pure_one() -> None:
    missing = "import sys; sys.modules['cinelog_fastio._native.records'] = None\n" + REPORT

    result = run(missing, None)

    assert result.stdout == ""
    assert "ImportError: cinelog_fastio._native has not been built for this Python" in result.stderr
    assert "CINELOG_FASTIO=pure" in result.stderr


def test_the_pure_kernel_needs_nothing_of_the_native_one() -> None:
    result = run(REPORT + "; import sys; print([name for name in sys.modules if '_native' in name])", "pure")

    assert result.stdout.splitlines()[1] == "[]"


@pytest.fixture
def patient_interpreter() -> Iterator[None]:
    """Let a thread that has the GIL keep it until it gives it away."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def another_thread_runs_during(call: Callable[[], object]) -> bool:
    """Tell whether a thread that waits for the GIL gets it while `call` runs."""
    gate, ran, deadline = Lock(), Event(), time.monotonic() + 20

    def wait_at_gate() -> None:
        with gate:
            ran.set()

    gate.acquire()
    other = Thread(target=wait_at_gate)
    other.start()
    gate.release()
    # How soon the system wakes the other thread is its own affair; but only `call` lets the GIL go here.
    while not ran.is_set() and time.monotonic() < deadline:
        call()
    seen = ran.is_set()
    other.join()
    return seen


BLOCK = bytes(8_000_000)
BUNDLE = packed(StreamParameters(codec="h264", time_base=(1, 24)), [Packet(data=BLOCK, pts=0, dts=0)])
END = len(BUNDLE) - TRAILER.size
START = END - len(BLOCK) - RECORD_OVERHEAD


@pytest.mark.usefixtures("patient_interpreter")
@pytest.mark.parametrize(
    "operation", ["checksum", "range", "write", "copy", "pack", "walk", "skim", "annexb"]
)
def test_the_native_kernel_lets_other_threads_run(tmp_path: Path, operation: str) -> None:
    kernel: Kernel = backend.choose("native")
    source = tmp_path / "source"
    source.write_bytes(BLOCK)
    packet = Packet(data=BLOCK, pts=0, dts=0)
    annexb = b"\x00\x00\x01" + BLOCK + b"\x01"
    with source.open("rb", buffering=0) as reader, (tmp_path / "target").open("wb", buffering=0) as writer:
        calls: dict[str, Callable[[], object]] = {
            "checksum": lambda: kernel.checksum(BLOCK),
            "range": lambda: kernel.checksum_range(reader.fileno(), 0, None),
            "write": lambda: kernel.write_checked(writer.fileno(), 0, BLOCK),
            "copy": lambda: kernel.copy_checked(
                reader.fileno(), writer.fileno(), start=0, length=len(BLOCK), at=0
            ),
            "pack": lambda: kernel.pack_record(packet, 0),
            "walk": lambda: next(kernel.cursor(BUNDLE, START, END, 0)),
            "skim": lambda: kernel.cursor(BUNDLE, START, END, 0).skim(),
            "annexb": lambda: kernel.annexb_to_lengths(annexb),
        }

        assert another_thread_runs_during(calls[operation])


@pytest.mark.usefixtures("patient_interpreter")
def test_a_call_that_keeps_the_gil_would_be_noticed() -> None:
    calls = iter(range(200))

    def hold() -> None:
        if next(calls, None) is None:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        another_thread_runs_during(hold)
