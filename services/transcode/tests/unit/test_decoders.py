"""Which devices decode what, and in which order they are tried."""

import pytest
from cinelog_common.contract.topics import POOLS
from cinelog_transcode.domain.decoders import (
    CODECS,
    DEVICE_TYPES,
    DecoderProof,
    candidates,
    proven_decoders,
)


def test_every_pool_is_in_the_table_and_the_processor_has_no_device() -> None:
    assert set(DEVICE_TYPES) == set(POOLS)
    assert candidates("cpu") == ()


@pytest.mark.parametrize(
    ("pool", "first"), [("nvidia", "cuda"), ("intel", "vaapi"), ("apple", "videotoolbox")]
)
def test_each_codec_is_tried_on_the_vendor_s_device(pool: str, first: str) -> None:
    tried = candidates(pool)

    assert [each.codec for each in tried if each.device == first] == list(CODECS)


def test_of_several_devices_the_first_that_is_proven_decodes() -> None:
    proofs = [
        DecoderProof(codec="h264", device="vaapi", usable=False, reason="it shows other pictures"),
        DecoderProof(codec="h264", device="d3d11va", usable=True),
        DecoderProof(codec="hevc", device="vaapi", usable=True),
        DecoderProof(codec="hevc", device="d3d11va", usable=True),
        DecoderProof(codec="av1", device="vaapi", usable=False),
    ]

    assert proven_decoders(proofs) == {"h264": "d3d11va", "hevc": "vaapi"}
