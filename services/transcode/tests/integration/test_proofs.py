"""Devices that can less than their table asks for: proven in what they can, and given nothing else."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_transcode.children import prover
from cinelog_transcode.children.encoding import RenditionEncoder
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.proof import NO_B_FRAMES, Proof, Trial
from cinelog_transcode.domain.tables import table_of
from cinelog_transcode.proofs import prove

# Plays a device: what the plan names is refused, crashes or hangs, and anything else works.
_DEVICE = """
import json, os, signal, time
from pathlib import Path
import msgspec
from cinelog_common.child_channel import serve
from cinelog_transcode.domain.proof import NO_B_FRAMES, Proof, Trial

plan = json.loads(Path({plan!r}).read_text())

def handle(frame, send):
    trial = msgspec.msgpack.decode(frame, type=Trial)
    ways = ["ten_bit"] if trial.depth > 8 else []
    if not trial.version.endswith(NO_B_FRAMES):
        ways.append("b_frames")
    with open({log!r}, "a") as log:
        print(trial.encoder, trial.depth, trial.version, file=log)
    fate = next((plan[way] for way in ways if way in plan), "")
    if fate == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fate == "hang":
        time.sleep(3600)
    reason = f"no {{ways}}" if fate else ""
    version = "" if reason else "13" + (NO_B_FRAMES if trial.version.endswith(NO_B_FRAMES) else "")
    answer = Proof(
        encoder=trial.encoder, codec="hevc", pool="nvidia", usable=not reason, version=version, reason=reason
    )
    send(msgspec.msgpack.encode(answer))

serve(handle)
"""


class Played:
    """What a device that is played proved, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.plan, self.log = folder / "plan.json", folder / "asked"
        (folder / "played_device.py").write_text(_DEVICE.format(plan=str(self.plan), log=str(self.log)))

    def proof(self, encoder: str = "hevc_nvenc", **plan: str) -> Proof:
        self.plan.write_bytes(msgspec.json.encode(plan))

        async def scenario() -> list[Proof]:
            tables = (table_of(encoder),)
            return [proof async for proof in prove(tables, module="played_device", deadline_s=2.0)]

        (proof,) = asyncio.run(scenario())
        return proof

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Played(tmp_path)


def test_a_device_that_can_everything_is_proven_in_both_depths(device: Played) -> None:
    proof = device.proof()

    assert (proof.usable, proof.version, proof.no_ten_bit) == (True, "13", "")
    assert device.asked() == ["hevc_nvenc 8 ", "hevc_nvenc 10 13"]


@pytest.mark.parametrize("fate", ["refuse", "crash"])
def test_a_device_without_b_frames_stays_usable_and_its_version_says_so(device: Played, fate: str) -> None:
    proof = device.proof(b_frames=fate)

    assert (proof.usable, proof.version, proof.no_ten_bit) == (True, f"13{NO_B_FRAMES}", "")
    assert device.asked()[-1] == f"hevc_nvenc 10 13{NO_B_FRAMES}"


@pytest.mark.parametrize("fate", ["refuse", "crash", "hang"])
def test_a_device_without_10_bit_keeps_its_8_bit(device: Played, fate: str) -> None:
    proof = device.proof(ten_bit=fate)

    assert (proof.usable, proof.version) == (True, "13")
    assert proof.no_ten_bit


def test_what_is_never_made_of_10_bit_is_not_tried_with_it(device: Played) -> None:
    proof = device.proof("h264_nvenc", ten_bit="refuse")

    assert (proof.usable, proof.no_ten_bit) == (True, "")
    assert device.asked() == ["h264_nvenc 8 "]


def test_a_device_that_hangs_is_waited_for_once(device: Played) -> None:
    proof = device.proof(b_frames="hang")

    assert not proof.usable
    assert "within 2 s" in proof.reason
    assert device.asked() == ["hevc_nvenc 8 "]


@pytest.mark.parametrize(("depth", "version"), [(8, ""), (10, ""), (10, f"1{NO_B_FRAMES}")])
def test_the_prover_opens_what_the_trial_names(
    monkeypatch: pytest.MonkeyPatch, depth: int, version: str
) -> None:
    opened: list[Recipe] = []

    class Watched(RenditionEncoder):
        def __init__(self, recipe: Recipe, rendition: Rendition, threads: int) -> None:
            opened.append(recipe)
            super().__init__(recipe, rendition, threads)

    monkeypatch.setattr(prover, "RenditionEncoder", Watched)

    proof = prover.prove(Trial(encoder="libx265", depth=depth, version=version))

    assert proof.usable, proof.reason
    assert proof.version.endswith(NO_B_FRAMES) is bool(version)
    (recipe,) = opened
    assert recipe.pixel_format == ("yuv420p10le" if depth == 10 else "yuv420p")


@pytest.mark.parametrize("name", ["h264_nvenc", "hevc_nvenc", "av1_nvenc", "hevc_qsv", "h264_amf"])
def test_without_b_frames_a_device_is_told_so_and_the_rest_stays(name: str) -> None:
    table = table_of(name)
    rendition = Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=4000, level="3.1")
    recipe = Recipe(
        family=table.pool,
        encoder=name,
        codec=table.codec,
        preset="medium",
        pixel_format="yuv420p",
        time_base=(1, 25),
        frame_rate=(25, 1),
        renditions=(rendition,),
        max_segment_s=8.0,
    )
    plain = msgspec.structs.replace(recipe, version=f"13{NO_B_FRAMES}")

    usual = opening_options(recipe, rendition, 1).options
    bare = opening_options(plain, rendition, 1).options

    assert int(usual.pop("bf")) > 0
    assert bare.pop("bf") == "0"
    usual.pop("b_ref_mode", None)
    assert bare == usual
