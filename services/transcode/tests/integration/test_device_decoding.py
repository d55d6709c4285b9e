"""Decoding on a device: proven to the bit, refused in the middle of a stream, and replaced frame by frame."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_transcode.children import decodeprover, decoding
from cinelog_transcode.children.decodeprover import prove_decoder
from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions, DeviceRefusedError
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.children.working import DamagedError
from cinelog_transcode.domain.decoders import CODECS, DecoderCandidate
from cinelog_transcode.domain.tasks import EncodeTask, UnitReport
from cinelog_transcode.proofs import prove_decoders

CFR = tuple(range(0, 50 * 512, 512))
WARNING = "The device (cuda) does not decode this h264 picture; the processor does instead."


class Device:
    """A decoder's context that refuses after so many packets, or loses one; else the processor's own."""

    def __init__(self, context: Any, *, refuses_at: int = -1, loses: int = -1) -> None:
        self._context = context
        self._refuses_at = refuses_at
        self._loses = loses
        self.packets = 0

    def decode(self, packet: Any) -> Any:
        at, self.packets = self.packets, self.packets + 1
        if at == self._refuses_at:
            raise decoding.av.ExternalError(542398533, "the device fell off the bus")
        frames = self._context.decode(packet)
        return frames[1:] if at == self._loses else frames


def plug_in(monkeypatch: pytest.MonkeyPatch, **flaws: int) -> list[Device]:
    made: list[Device] = []

    def opened(parameters: Any, options: DecoderOptions) -> Any:
        made.append(Device(decoding._open(parameters, options), **flaws))
        return made[-1]

    monkeypatch.setattr(decoding, "_open_on", opened)
    return made


@pytest.fixture
def unit(studio: Any, tmp_path: Path) -> EncodeTask:
    footage = studio.make(studio.spec(pts=CFR))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=50 * 512))
    folder = tmp_path / "made"
    folder.mkdir()
    return EncodeTask(
        bundle=str(bundle), folder=str(folder), recipe=studio.recipe(footage), n=0, decoders={"h264": "cuda"}
    )


def encoded(task: EncodeTask, studio: Any) -> tuple[UnitReport, Any]:
    """Return the report, and what a player shows of the result."""
    report = encode_unit(task, lambda done, total: None)
    made = report.renditions[0]
    parts = [(Path(task.folder) / part.file).read_bytes() for part in made.parts]
    return report, studio.play(made.init, parts)


def assert_exact(shown: Any) -> None:
    assert shown.pts == list(CFR)
    assert shown.numbers() == list(range(len(CFR)))


def test_what_a_sound_device_decodes_is_encoded_without_a_word(
    unit: EncodeTask, studio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = plug_in(monkeypatch)

    report, shown = encoded(unit, studio)

    assert devices[0].packets == len(CFR) + 1
    assert report.warnings == ()
    assert_exact(shown)


@pytest.mark.parametrize("flaw", [{"refuses_at": 0}, {"refuses_at": 30}, {"refuses_at": 50}, {"loses": 20}])
def test_a_device_that_fails_on_the_way_is_replaced_without_a_frame_less(
    unit: EncodeTask, studio: Any, monkeypatch: pytest.MonkeyPatch, flaw: dict[str, int]
) -> None:
    plug_in(monkeypatch, **flaw)

    report, shown = encoded(unit, studio)

    assert (report.frames, report.warnings) == (len(CFR), (WARNING,))
    assert_exact(shown)


def test_a_device_that_is_not_here_is_replaced_visibly(unit: EncodeTask, studio: Any) -> None:
    task = msgspec.structs.replace(unit, decoders={"h264": "vdpau"})

    report, shown = encoded(task, studio)

    assert "(vdpau)" in report.warnings[0]
    assert_exact(shown)


def test_other_codecs_and_salvaged_units_are_not_for_the_device(
    unit: EncodeTask, studio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = plug_in(monkeypatch)

    encoded(msgspec.structs.replace(unit, decoders={"hevc": "cuda"}), studio)
    encoded(msgspec.structs.replace(unit, salvage=True), studio)

    assert devices == []


def test_what_no_decoder_shows_is_damage_on_a_device_too(
    unit: EncodeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch)
    data = bytearray(Path(unit.bundle).read_bytes())
    data[1000] ^= 1
    Path(unit.bundle).write_bytes(data)

    with pytest.raises(DamagedError):
        encode_unit(unit, lambda done, total: None)


@pytest.mark.parametrize("codec", CODECS)
def test_a_device_is_proven_by_the_processor_s_own_bits(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch)

    proof = prove_decoder(DecoderCandidate(codec=codec, device="cuda"))

    assert proof.usable, proof.reason


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"loses": 3}, "it shows other pictures than the processor"),
        ({"refuses_at": 2}, "does not decode h264 here"),
    ],
)
def test_a_device_that_loses_or_refuses_a_picture_is_not_proven(
    monkeypatch: pytest.MonkeyPatch, flaw: dict[str, int], reason: str
) -> None:
    plug_in(monkeypatch, **flaw)

    proof = prove_decoder(DecoderCandidate(codec="h264", device="cuda"))

    assert not proof.usable
    assert reason in proof.reason


def test_pictures_that_are_off_by_one_bit_are_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = decodeprover.decoded

    def off_by_one(parameters: Any, packets: Any, device: str) -> Any:
        shown = plain(parameters, packets, "")
        pts, bits = shown[-1]
        return [*shown[:-1], (pts, bits[:-1] + bytes([bits[-1] ^ 1]))] if device else shown

    monkeypatch.setattr(decodeprover, "decoded", off_by_one)

    assert not prove_decoder(DecoderCandidate(codec="h264", device="cuda")).usable


def test_a_device_type_that_the_build_lacks_says_so() -> None:
    film, _ = decodeprover._film("h264")

    with pytest.raises(DeviceRefusedError, match="vdpau does not decode h264 here"):
        BundleDecoder(film, DecoderOptions(device="vdpau"))


def test_the_decoders_of_a_pool_are_proven_in_processes_of_their_own() -> None:
    proofs = asyncio.run(prove_decoders("apple"))

    assert [proof.codec for proof in proofs] == list(CODECS)
    assert all(proof.usable or "videotoolbox" in proof.reason for proof in proofs)
    assert asyncio.run(prove_decoders("cpu")) == ()
