"""How loud the result is, as the document beside it tells: encoded sound, and what is passed through."""

import json
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_testkit.commands import Finished


def packets_of_sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def loudness_of(done: Finished) -> dict[str, float]:
    [sound] = json.loads(done.path("mp4").with_suffix(".json").read_text())["audio"]
    told: dict[str, float] = sound["loudness"]
    return told


def test_sound_that_is_passed_through_is_measured_and_stays_as_it_is(film: Path, convert: Any) -> None:
    wanted = loudness_of(convert(film, "--container", "mp4"))

    original = convert(film, "--profile", "original", "--container", "mp4", quick=False)

    told = loudness_of(original)
    assert told.keys() == wanted.keys()
    assert told["integrated_lufs"] == pytest.approx(wanted["integrated_lufs"], abs=1.0)
    assert packets_of_sound(original.path("mp4")) == packets_of_sound(film)
