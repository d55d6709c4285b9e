"""Measured against tones whose loudness follows from BS.1770, and against what went in."""

import math
import struct
from collections.abc import Iterator
from fractions import Fraction

import pytest
from av.audio.frame import AudioFrame
from cinelog_download.children import loudness
from cinelog_download.children.encoders import Voice, silence
from cinelog_download.children.loudness import Meter, Normalizer
from hypothesis import given, settings
from hypothesis import strategies as st

VOICE = Voice(rate=48_000, layout="stereo", format="fltp")


def tone(
    seconds: float, level_db: float, *, layout: str = "stereo", size: int = 1024
) -> Iterator[AudioFrame]:
    peak = 10 ** (level_db / 20)
    end = round(seconds * 48_000)
    for start in range(0, end, size):
        count = min(size, end - start)
        samples = [peak * math.sin(2 * math.pi * 1000 * n / 48_000) for n in range(start, start + count)]
        frame = AudioFrame("fltp", layout, count)
        for plane in frame.planes:
            plane.update(struct.pack(f"<{count}f", *samples).ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        yield frame


def measured(frames: Iterator[AudioFrame], voice: Voice = VOICE) -> Meter:
    meter = Meter(voice)
    for frame in frames:
        meter.add(frame)
    return meter


@pytest.mark.parametrize("level_db", [-3.0, -20.0, -36.0])
def test_a_tone_in_both_channels_is_as_loud_as_its_level(level_db: float) -> None:
    # EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS reads -23 LUFS.
    found = measured(tone(5.0, level_db)).result()

    assert found is not None
    assert found.integrated_lufs == pytest.approx(level_db, abs=0.1)
    assert found.true_peak_dbtp == pytest.approx(level_db, abs=0.2)
    assert found.range_lu == pytest.approx(0.0, abs=0.1)


def test_quiet_and_loud_passages_have_a_range() -> None:
    def passages() -> Iterator[AudioFrame]:
        yield from tone(20.0, -20.0)
        yield from tone(20.0, -30.0)

    found = measured(passages()).result()

    # EBU Tech 3342, case 1.
    assert found is not None
    assert found.range_lu == pytest.approx(10.0, abs=1.0)


def test_silence_has_no_loudness() -> None:
    assert measured(tone(2.0, -200.0)).result() is None
    assert Meter(VOICE).result() is None


def test_six_channels_are_measured_together() -> None:
    voice = Voice(rate=48_000, layout="5.1", format="fltp")

    found = measured(tone(3.0, -23.0, layout="5.1"), voice).result()

    assert found is not None
    assert found.integrated_lufs > -23.0


def rest(seconds: float, size: int) -> Iterator[AudioFrame]:
    frame = next(tone(1, -20.0, size=1))
    left = round(seconds * 48_000)
    while left > 0:
        yield silence(frame, min(size, left))
        left -= size


@pytest.mark.parametrize("size", [960, 1024, 32_768])
@pytest.mark.parametrize("pause_s", [3.97, 4.03, 7.777, 30.0])
def test_silence_that_is_not_listened_to_changes_no_figure(
    size: int, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def film() -> Iterator[AudioFrame]:
        yield from rest(pause_s, size)
        for seconds, level_db in ((2.345, -12.0), (0.31, -3.0), (5.0, -30.0)):
            yield from tone(seconds, level_db, size=size)
            yield from rest(pause_s, size)
        yield from tone(1.5, -18.0, size=size)

    skipped = measured(film()).result()
    monkeypatch.setattr(loudness, "is_silent", lambda frame: False)
    listened = measured(film()).result()

    assert listened is not None
    assert skipped == listened


def test_long_silence_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    through = loudness._Chain.through
    monkeypatch.setattr(
        loudness._Chain,
        "through",
        lambda chain, frame: heard.append(frame.samples) or through(chain, frame),
    )

    measured(rest(600.0, 1024))

    assert sum(heard) < 5 * 48_000


@pytest.mark.parametrize("target", [-14.0, -23.0])
@pytest.mark.parametrize("level_db", [-8.0, -30.0])
def test_normalised_sound_comes_near_the_target(target: float, level_db: float) -> None:
    normalizer, meter = Normalizer(VOICE, target), Meter(VOICE)
    for frame in tone(12.0, level_db):
        for made in normalizer.through(frame):
            meter.add(made)
    for made in normalizer.through(None):
        meter.add(made)

    found = meter.result()

    assert found is not None
    assert found.integrated_lufs == pytest.approx(target, abs=1.5)
    assert found.true_peak_dbtp < -1.0


@settings(max_examples=15, deadline=None)
@given(seconds=st.floats(0.001, 7.0), size=st.sampled_from([64, 1000, 1024, 4096]))
def test_as_many_samples_come_out_as_went_in(seconds: float, size: int) -> None:
    normalizer = Normalizer(VOICE, -14.0)
    given_in = came_out = 0
    for frame in tone(seconds, -20.0, size=size):
        given_in += frame.samples
        came_out += sum(made.samples for made in normalizer.through(frame))

    came_out += sum(made.samples for made in normalizer.through(None))

    assert came_out == given_in
