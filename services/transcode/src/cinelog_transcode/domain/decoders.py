"""Which pools decode on their device, and by which of libavcodec's device types. Pure.

Only codecs whose decoding is fixed to the bit: what a device shows there is right or wrong.
"""

from collections.abc import Iterable

from cinelog_common.contract.values import Value

CODECS = ("h264", "hevc", "vp9", "av1")

DEVICE_TYPES: dict[str, tuple[str, ...]] = {
    "cpu": (),
    "nvidia": ("cuda",),
    "intel": ("vaapi", "d3d11va"),
    "amd": ("vaapi", "d3d11va"),
    "apple": ("videotoolbox",),
}
"""In order of preference: the ones that plug into libavcodec's own decoders, which keep times and order."""


class DecoderProof(Value, frozen=True, kw_only=True):
    """Whether one device decoded a few pictures of a codec to the same bits as the processor."""

    codec: str
    device: str
    """The device type."""
    usable: bool
    reason: str = ""
    """Why it is unusable, as the rest of a sentence."""


class DecoderCandidate(Value, frozen=True, kw_only=True):
    """A codec and a device type to try."""

    codec: str
    device: str


def candidates(pool: str) -> tuple[DecoderCandidate, ...]:
    """Return what a worker of `pool` tries; nothing for the processor's."""
    return tuple(
        DecoderCandidate(codec=codec, device=device) for codec in CODECS for device in DEVICE_TYPES[pool]
    )


def proven_decoders(proofs: Iterable[DecoderProof]) -> dict[str, str]:
    """Return the device type for each codec that one decodes: the first that is proven."""
    found: dict[str, str] = {}
    for proof in proofs:
        if proof.usable:
            found.setdefault(proof.codec, proof.device)
    return found
