import subprocess
import sys
from pathlib import Path

import pytest
from cinelog_testkit import cache, servers
from cinelog_testkit.availability import UnavailableError, give_up
from cinelog_testkit.programs import chromium_path, kcat_path


def test_what_is_missing_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CINELOG_REQUIRE_REAL", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no such server"):
        give_up("no such server")


def test_what_is_missing_fails_the_test_where_the_real_thing_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CINELOG_REQUIRE_REAL", "1")

    with pytest.raises(pytest.fail.Exception, match="no such server"):
        give_up("no such server")


@pytest.mark.parametrize("path_of", [kcat_path, chromium_path])
def test_a_missing_program_names_its_package(
    path_of: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert callable(path_of)
    monkeypatch.delenv("CINELOG_REQUIRE_REAL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(pytest.skip.Exception, match="install the Debian package"):
        path_of()


def test_a_machine_without_anything_is_told_every_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    for name in ("CINELOG_REQUIRE_REAL", "CINELOG_TEST_KAFKA"):
        monkeypatch.delenv(name, raising=False)

    expected = "CINELOG_TEST_KAFKA is not set; no container engine answers; `java` is missing"
    with pytest.raises(pytest.skip.Exception, match=expected), servers.kafka_server():
        pass


def test_an_address_where_nobody_answers_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_TEST_KAFKA", "127.0.0.1:1")

    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 does not answer"), servers._given_kafka():
        pass


MAKE = """
from cinelog_testkit import cache, names
folder = cache.made_once("thing", lambda folder: (folder / "content").write_text(names.unique()))
print((folder / "content").read_text())
"""


def test_two_runs_at_once_download_a_server_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    argv = [sys.executable, "-c", MAKE]
    runs = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(3)]

    contents = {run.communicate(timeout=60)[0] for run in runs}

    assert len(contents) == 1


def test_a_failed_download_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise UnavailableError("no network")

    with pytest.raises(UnavailableError, match="no network"):
        cache.made_once("thing", fail)

    assert [each.name for each in cache.cache_dir().iterdir()] == ["thing.lock"]
