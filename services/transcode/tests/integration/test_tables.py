"""The option tables against the encoders of this build: also of those whose devices are not here."""

import msgspec
import pytest
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_common.memory import give_back_freed_memory
from cinelog_transcode.children.encoding import RenditionEncoder
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.tables import TABLES

RENDITION = Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=4000, level="3.1")


CASES = [
    (name, pixel_format)
    for name in sorted(TABLES)
    for pixel_format in ("yuv420p", "yuv420p10le")
    if pixel_format == "yuv420p" or TABLES[name].codec in {"hevc", "av1"}
]


def recipe_of(name: str, pixel_format: str, rendition: Rendition = RENDITION) -> Recipe:
    return Recipe(
        family=TABLES[name].pool,
        encoder=name,
        codec=TABLES[name].codec,
        preset="medium",
        pixel_format=pixel_format,
        time_base=(1, 25),
        frame_rate=(25, 1),
        renditions=(rendition,),
        max_segment_s=8.0,
    )


@pytest.mark.parametrize(("name", "pixel_format"), CASES)
def test_the_build_knows_every_option_of_the_table_and_its_value(name: str, pixel_format: str) -> None:
    table = TABLES[name]
    recipe = recipe_of(name, pixel_format)
    try:
        context = CodecContext.create(name, "w")
    except UnknownCodecError:
        assert table.pool == "apple"
        return
    known = context.supported_options
    private = {option.name: option for option in known.private}
    generic = {option.name for option in known.generic}

    opening = opening_options(recipe, RENDITION, 1)

    assert set(opening.options) <= set(private) | generic
    for option, value in opening.options.items():
        described = private.get(option)
        if described is None or not described.choices or value.lstrip("-").replace(".", "").isdigit():
            continue
        if option.endswith("params"):
            continue
        assert value in {choice.name for choice in described.choices}, (option, value)
    formats = {form.name for form in context.codec.video_formats or ()}
    assert opening.pixel_format in formats


@pytest.mark.parametrize("name", sorted(name for name, table in TABLES.items() if table.pool == "cpu"))
def test_encoders_of_the_processor_open_on_machines_of_many_cores(name: str) -> None:
    large = msgspec.structs.replace(RENDITION, width=3840, height=2160, level="5.1")
    recipe = recipe_of(name, "yuv420p", large)

    encoder = RenditionEncoder(recipe, recipe.renditions[0], 96)

    assert encoder.codec == recipe.codec
    # One of them takes gigabytes for that, which the suite's other tests need not carry along.
    del encoder
    give_back_freed_memory()
