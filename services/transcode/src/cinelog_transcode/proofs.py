"""Which encoders work here: each encodes one frame, in a child process that it may crash or hang."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
from cinelog_common.children import Child, ChildDiedError

from cinelog_transcode.domain.decoders import DecoderCandidate, DecoderProof, candidates
from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.domain.tables import CODEC_ENV, TABLES, EncoderTable, tables_of_pool

PROVER = "cinelog_transcode.children.prover"
DECODE_PROVER = "cinelog_transcode.children.decodeprover"
PROOF_DEADLINE_S = 20.0


async def prove_pool(pool: str) -> tuple[Proof, ...]:
    """Return a proof of every encoder that a worker of `pool` could use."""
    return tuple([proof async for proof in prove(tables_of_pool(pool))])


async def prove_all() -> tuple[Proof, ...]:
    """Return a proof of every encoder of every vendor: what `cinelog doctor` shows."""
    return tuple([proof async for proof in prove(tuple(TABLES.values()))])


async def prove_decoders(
    pool: str, *, module: str = DECODE_PROVER, deadline_s: float = PROOF_DEADLINE_S
) -> tuple[DecoderProof, ...]:
    """Return a proof of every decoder that a device of `pool` could have; none for the processor.

    One that crashes or hangs takes no other with it.
    """
    return tuple([await _decoder_proof(each, module, deadline_s) for each in candidates(pool)])


async def _decoder_proof(candidate: DecoderCandidate, module: str, deadline_s: float) -> DecoderProof:
    unusable = DecoderProof(codec=candidate.codec, device=candidate.device, usable=False)
    try:
        async with await Child.start(module, env=CODEC_ENV) as child, asyncio.timeout(deadline_s):
            await child.send(msgspec.msgpack.encode([candidate]))
            return msgspec.msgpack.decode(await child.receive(), type=DecoderProof)
    except TimeoutError:
        return msgspec.structs.replace(unusable, reason=f"it did not decode within {deadline_s:.0f} s")
    except ChildDiedError as error:
        how = error.signal_name or f"exit code {error.exit_code}"
        return msgspec.structs.replace(unusable, reason=f"it ended its process ({how})")


async def prove(
    tables: Sequence[EncoderTable], *, module: str = PROVER, deadline_s: float = PROOF_DEADLINE_S
) -> AsyncIterator[Proof]:
    """Yield a proof of each encoder, in order. One that crashes or hangs takes no other with it."""
    rest = list(tables)
    while rest:
        async with await Child.start(module, env=CODEC_ENV) as child:
            await child.send(msgspec.msgpack.encode([table.name for table in rest]))
            while rest:
                try:
                    async with asyncio.timeout(deadline_s):
                        proof = msgspec.msgpack.decode(await child.receive(), type=Proof)
                except TimeoutError:
                    proof = _unusable(rest[0], f"it did not encode a frame within {deadline_s:.0f} s")
                except ChildDiedError as error:
                    how = error.signal_name or f"exit code {error.exit_code}"
                    proof = _unusable(rest[0], f"it ended its process ({how})")
                else:
                    rest.pop(0)
                    yield proof
                    continue
                rest.pop(0)
                yield proof
                break


def _unusable(table: EncoderTable, reason: str) -> Proof:
    return Proof(encoder=table.name, codec=table.codec, pool=table.pool, usable=False, reason=reason)
