"""Builds the native half of cinelog_fastio."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    ext_modules=cythonize(
        [Extension("cinelog_fastio._native", ["src/cinelog_fastio/_native.pyx"], extra_compile_args=["-O3"])],
        language_level=3,
    ),
)
