"""Lets the tests of the contract use the tools that write it down."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
