import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cinelog_testkit.network import free_ports
from cinelog_testkit.process import Command, ServerProcess
from cinelog_testkit.waiting import is_running, wait_until

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SLEEP = "import time; print('up', flush=True); time.sleep(600)"


def sleeper(folder: Path, script: str = SLEEP) -> ServerProcess:
    return ServerProcess(Command(argv=(sys.executable, "-c", script), folder=folder))


def test_a_stopped_server_is_gone(tmp_path: Path) -> None:
    server = sleeper(tmp_path)
    server.start()
    pid = server.pid

    server.stop()

    assert not is_running(pid)


def test_a_server_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    server = sleeper(tmp_path, STUBBORN + SLEEP)
    server.start()
    pid = server.pid
    wait_until(lambda: "up" in server.last_words(), deadline_s=20, what="the sleeper's first line")

    server.stop(patience_s=0.1)

    assert not is_running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_a_server_dies_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib\n"
        "from cinelog_testkit.process import Command, ServerProcess\n"
        f"server = ServerProcess(Command(argv=('sleep', '600'), folder=pathlib.Path({str(tmp_path)!r})))\n"
        "server.start(); print(server.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as test_run:
        assert test_run.stdout is not None
        pid = int(test_run.stdout.readline())

        test_run.send_signal(signal.SIGKILL)
        test_run.wait()

        wait_until(lambda: not is_running(pid), deadline_s=20, what="the orphan's end")


def test_free_ports_differ_and_lie_below_the_range_of_outgoing_connections() -> None:
    ports = free_ports(50)

    assert len(set(ports)) == 50
    assert max(ports) < 32768
