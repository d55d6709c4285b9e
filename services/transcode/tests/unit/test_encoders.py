import msgspec
import pytest
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.presets import X26X_PRESETS
from cinelog_transcode.domain.tables import TABLES, UnknownEncoderError, table_of, tables_of_pool

RENDITION = Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=4000, level="3.1")


def recipe(encoder: str, codec: str = "h264", preset: str = "medium") -> Recipe:
    return Recipe(
        family="cpu",
        encoder=encoder,
        codec=codec,
        preset=preset,
        pixel_format="yuv420p",
        time_base=(1, 12800),
        frame_rate=(25, 1),
        renditions=(RENDITION,),
        max_segment_s=8.0,
    )


def test_x264_is_stitchable_closed_capped_and_of_a_fixed_level() -> None:
    opening = opening_options(recipe("libx264"), RENDITION, 2)

    assert opening.options == {
        "preset": "medium",
        "crf": "23",
        "level": "3.1",
        "forced-idr": "1",
        "maxrate": "4000000",
        "bufsize": "2000000",
        "g": "250",
        "x264-params": "stitchable=1:open-gop=0",
    }


def test_what_a_rendition_does_not_fix_is_left_out() -> None:
    bare = msgspec.structs.replace(RENDITION, level="", max_rate_k=0)

    options = opening_options(recipe("libx265", "hevc"), bare, 1).options

    assert "maxrate" not in options
    assert "level-idc" not in options["x265-params"]


def test_hardware_of_intel_is_fed_semiplanar_pictures() -> None:
    opening = opening_options(recipe("h264_qsv"), RENDITION, 1)

    assert opening.pixel_format == "nv12"
    assert opening.options["level"] == "31"


@pytest.mark.parametrize("name", [name for name in sorted(TABLES) if name.endswith("_qsv")])
def test_intel_aims_below_the_cap_or_it_would_spend_the_cap_always(name: str) -> None:
    options = opening_options(recipe(name, TABLES[name].codec), RENDITION, 1).options

    assert 0 < int(options["b"]) < int(options["maxrate"])


@pytest.mark.parametrize(("height", "threads"), [(1080, 24), (720, 22), (180, 5), (16, 1)])
def test_a_thread_has_two_rows_of_blocks_at_least(height: int, threads: int) -> None:
    rendition = msgspec.structs.replace(RENDITION, height=height)

    assert opening_options(recipe("libx264"), rendition, 24).threads == threads


@pytest.mark.parametrize("name", sorted(TABLES))
@pytest.mark.parametrize("preset", sorted(X26X_PRESETS))
def test_every_table_fills_for_every_preset(name: str, preset: str) -> None:
    options = opening_options(recipe(name, TABLES[name].codec, preset), RENDITION, 1).options

    assert all(value and "{" not in value for value in options.values())


@pytest.mark.parametrize("name", ["hevc_nvenc", "hevc_qsv", "hevc_amf", "hevc_videotoolbox"])
def test_ten_bits_are_asked_for_by_name(name: str) -> None:
    shallow = recipe(name, "hevc")
    deep = msgspec.structs.replace(shallow, pixel_format="yuv420p10le")

    assert opening_options(shallow, RENDITION, 1).options["profile"] == "main"
    assert opening_options(deep, RENDITION, 1).options["profile"] == "main10"
    assert opening_options(deep, RENDITION, 1).pixel_format == "p010le"


def test_a_quality_of_videotoolbox_grows_as_crf_falls() -> None:
    def quality(crf: int) -> int:
        wanted = msgspec.structs.replace(RENDITION, crf=crf)
        return int(opening_options(recipe("h264_videotoolbox"), wanted, 1).options["global_quality"])

    assert quality(18) > quality(23) > quality(30) > 0


def test_a_pool_has_the_encoders_of_its_vendor_only() -> None:
    assert [table.name for table in tables_of_pool("apple")] == ["h264_videotoolbox", "hevc_videotoolbox"]


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(UnknownEncoderError, match="no encoder 'h264_vaapi'"):
        table_of("h264_vaapi")
