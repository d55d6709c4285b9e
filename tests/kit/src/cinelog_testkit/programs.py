"""Programs that tests use, and the Debian packages that a bare machine needs for the real servers."""

import os
import shutil

from cinelog_testkit.availability import UnavailableError, give_up

APT_PACKAGES = {
    "java": "default-jre-headless",
    "mvn": "maven",
    "kcat": "kcat",
    "chromium": "chromium",
    "ffplay": "ffmpeg",
}
"""Program -> Debian package. Go is not among them: Debian's is too old, and PyPI has a wheel of it."""

APT_LIBRARIES = ("libssl3", "libcurl4")
"""What mongod links to; each is part of nearly every installation."""


def missing_packages() -> list[str]:
    """Return the Debian packages that the real tests would still need here."""
    found = {name: shutil.which(name) for name in APT_PACKAGES}
    return [package for name, package in APT_PACKAGES.items() if found[name] is None]


def kcat_path() -> str:
    """Return the path of kcat, or end the test."""
    return _path("kcat", "CINELOG_TEST_KCAT", ("kcat", "kafkacat"))


def chromium_path() -> str:
    """Return the path of a Chromium, or end the test."""
    return _path("Chromium", "CINELOG_TEST_CHROMIUM", ("chromium", "chromium-browser", "google-chrome"))


def ffplay_path() -> str:
    """Return the path of ffplay, or end the test."""
    return _path("ffplay", "CINELOG_TEST_FFPLAY", ("ffplay",))


def _path(what: str, variable: str, names: tuple[str, ...]) -> str:
    try:
        return _find(what, variable, names)
    except UnavailableError as error:
        give_up(str(error))


def _find(what: str, variable: str, names: tuple[str, ...]) -> str:
    for name in (os.environ.get(variable, ""), *names):
        if name and (found := shutil.which(name)) is not None:
            return found
    package = APT_PACKAGES[names[0]]
    raise UnavailableError(f"no {what}: install the Debian package {package} or set {variable}")
