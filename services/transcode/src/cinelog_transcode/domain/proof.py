"""What a worker knows of its encoders, and what of that a recipe must keep to. Pure."""

from collections.abc import Iterable

from cinelog_common.contract.status import EncoderProof
from cinelog_common.contract.values import Recipe, Value
from cinelog_common.errors import Category, PermanentError
from msgspec.structs import replace

NO_B_FRAMES = "-nob"
"""How the version of an encoder ends that opens only without B-frames. It is part of the version because
recipes fix that one: what such a device makes does not join what a device with B-frames made."""

TEN_BIT_CODECS = frozenset({"hevc", "av1"})
"""What is ever made of 10 bit; see the ledger's recipes."""


class NoTenBitError(PermanentError):
    """The encoder works here, but not with 10 bit, which the recipe wants."""

    def __init__(self, encoder: str, reason: str) -> None:
        super().__init__(
            f"The encoder {encoder} cannot encode 10 bit on this worker: {reason}.",
            category=Category.ENCODER_UNAVAILABLE,
            action="Set hardware to auto, so that the processor encodes what the device cannot.",
        )


class Trial(Value, frozen=True, kw_only=True):
    """One way to open an encoder, to be tried with one picture."""

    encoder: str
    depth: int = 8
    version: str = ""
    """As recipes name it; only what it says of B-frames counts."""


class Proof(Value, frozen=True, kw_only=True):
    """Whether one encoder encoded a frame here. Only this counts: a build that lists it proves nothing."""

    encoder: str
    codec: str
    pool: str
    usable: bool
    version: str = ""
    reason: str = ""
    """Why it is unusable, as the rest of a sentence."""
    no_ten_bit: str = ""
    """Why it makes no 10 bit although its codec is made so, as the rest of a sentence; empty if it does."""
    seconds: float = 0.0


def fitted(recipe: Recipe, proof: Proof) -> Recipe:
    """Return the recipe as this worker's encoder carries it out.

    Raises:
        NoTenBitError: It wants 10 bit, and the encoder was found to make none here.
    """
    if proof.no_ten_bit and recipe.pixel_format.endswith("10le"):
        raise NoTenBitError(recipe.encoder, proof.no_ten_bit)
    # A pool that had to be woken was not heard of when the recipe was made: then it names no version.
    return recipe if recipe.version else replace(recipe, version=proof.version)


def told_proofs(proofs: Iterable[Proof]) -> tuple[EncoderProof, ...]:
    """Return the usable ones as heartbeats carry them."""
    return tuple(
        EncoderProof(
            encoder=proof.encoder, codec=proof.codec, version=proof.version, ten_bit=not proof.no_ten_bit
        )
        for proof in proofs
        if proof.usable
    )
