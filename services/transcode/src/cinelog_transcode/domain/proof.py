"""What a worker knows of its encoders."""

from collections.abc import Iterable

from cinelog_common.contract.status import EncoderProof
from cinelog_common.contract.values import Value


class Proof(Value, frozen=True, kw_only=True):
    """Whether one encoder encoded a frame here. Only this counts: a build that lists it proves nothing."""

    encoder: str
    codec: str
    pool: str
    usable: bool
    version: str = ""
    reason: str = ""
    """Why it is unusable, as the rest of a sentence."""
    seconds: float = 0.0


def told_proofs(proofs: Iterable[Proof]) -> tuple[EncoderProof, ...]:
    """Return the usable ones as heartbeats carry them."""
    return tuple(
        EncoderProof(encoder=proof.encoder, codec=proof.codec, version=proof.version)
        for proof in proofs
        if proof.usable
    )
