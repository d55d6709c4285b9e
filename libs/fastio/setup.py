"""Builds the native kernel of cinelog_fastio."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCES = sorted(Path("src/cinelog_fastio/_native").glob("*.pyx"))

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"cinelog_fastio._native.{source.stem}",
                [str(source)],
                include_dirs=["vendor/xxhash"],
                # The vendored header becomes part of each module: no library to find, short hashes inlined.
                define_macros=[("XXH_INLINE_ALL", "1")],
                extra_compile_args=["-O3"],
            )
            for source in SOURCES
        ],
        language_level=3,
        include_path=["src"],
    ),
)
