import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["cinelog_download.adapters.network", "cinelog_download.testing"])
def test_heavy_clients_are_imported_only_when_needed(module: str) -> None:
    code = (
        f"import {module}, sys; print([name for name in ('aiohttp', 'yt_dlp', 'av') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
