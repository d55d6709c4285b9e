"""Builds the native kernel of cinelog_fastio."""

import re
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

NATIVE = Path("src/cinelog_fastio/_native")
XXHASH = Path("vendor/xxhash")


def extension(source: Path) -> Extension:
    """Return the module of one `.pyx` file; xxHash goes into `hashing` and reaches the others from there."""
    sources = [source]
    if source.stem == "hashing":
        sources.append(XXHASH / "xxhash.c")
        if re.search(r"x86_64|amd64|i[3-6]86", sysconfig.get_platform()):
            sources.append(XXHASH / "xxh_x86dispatch.c")
    return Extension(
        f"cinelog_fastio._native.{source.stem}",
        [str(path) for path in sources],
        include_dirs=[str(NATIVE), str(XXHASH)],
        depends=[str(path) for folder in (NATIVE, XXHASH) for path in sorted(folder.glob("*.h"))],
        extra_compile_args=["-O3"],
    )


setup(
    ext_modules=cythonize(
        [extension(source) for source in sorted(NATIVE.glob("*.pyx"))],
        language_level=3,
        include_path=["src"],
    ),
)
