"""Writes docs/openapi.json from the endpoints, or with `--check` says whether it still fits them."""

import json
import sys
from pathlib import Path

from cinelog_gateway.api.app import openapi_document

TARGET = Path(__file__).parents[1] / "docs" / "openapi.json"


def main(arguments: list[str]) -> int:
    """Return 1 if the document on disk is not the one that the endpoints make."""
    made = rendered()
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text() == made:
            return 0
        print("docs/openapi.json is not what the endpoints make: run python tools/openapi.py")
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(made)
    return 0


def rendered() -> str:
    """Return the document as it is committed."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
