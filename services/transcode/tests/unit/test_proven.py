"""Work that is carried out as the encoder was proven."""

import asyncio
from typing import Any

import pytest
from cinelog_common.errors import Category
from cinelog_transcode.adapters.proven import ProvenEncoder, ProvenMeter
from cinelog_transcode.domain.proof import NO_B_FRAMES, NoTenBitError, Proof
from cinelog_transcode.domain.tasks import EncodeTask, QualityTask
from cinelog_transcode.testing import FakeProofs, FakeQualityMeter, FakeUnitEncoder
from msgspec.structs import replace

SHALLOW = Proof(
    encoder="hevc_nvenc",
    codec="hevc",
    pool="nvidia",
    usable=True,
    version=f"13{NO_B_FRAMES}",
    no_ten_bit="it does not open",
)


@pytest.fixture
def recipe(bench: Any) -> Any:
    return replace(bench.recipe, family="nvidia", encoder="hevc_nvenc", codec="hevc", version="")


async def ignore(done: int, total: int) -> None:
    pass


def carried_out(recipe: Any, tmp_path: Any, *, proof: Proof = SHALLOW) -> tuple[Any, Any]:
    """The recipes that reach the encoder and the meter."""
    encoder, meter = FakeUnitEncoder(), FakeQualityMeter()
    task = EncodeTask(bundle="b", folder=str(tmp_path), recipe=recipe, n=0)
    question = QualityTask(bundles=("b",), recipe=recipe, crfs=((23,),))

    async def scenario() -> None:
        proofs = FakeProofs([proof])
        await ProvenMeter(meter, proofs).measure(question)
        await ProvenEncoder(encoder, proofs).encode(task, ignore)

    asyncio.run(scenario())
    return encoder.tasks[0].recipe, meter.tasks[0].recipe


def test_a_recipe_that_names_no_version_gets_this_encoder_s(recipe: Any, tmp_path: Any) -> None:
    named = replace(recipe, version=SHALLOW.version)

    assert carried_out(recipe, tmp_path) == (named, named)


def test_a_recipe_that_names_a_version_stays_as_it_is(recipe: Any, tmp_path: Any) -> None:
    named = replace(recipe, version="12")

    assert carried_out(named, tmp_path) == (named, named)


def test_10_bit_is_refused_for_good_where_only_8_bit_was_proven(recipe: Any, tmp_path: Any) -> None:
    deep = replace(recipe, pixel_format="yuv420p10le")

    with pytest.raises(
        NoTenBitError, match="cannot encode 10 bit on this worker: it does not open"
    ) as caught:
        carried_out(deep, tmp_path)

    assert caught.value.category == Category.ENCODER_UNAVAILABLE
    assert carried_out(deep, tmp_path, proof=replace(SHALLOW, no_ten_bit=""))[0].pixel_format == "yuv420p10le"
