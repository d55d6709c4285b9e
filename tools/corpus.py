"""Generates one small film of every kind of source into the user's cache, and says where."""

import sys
import time

from cinelog_testkit.corpus.store import corpus_folder, film, names


def main() -> int:
    """Make what is missing; print each film with its size."""
    began = time.monotonic()
    for name in names():
        print(f"{film(name).stat().st_size:>9}  {name}", flush=True)
    print(f"{len(names())} films in {corpus_folder()}, {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
