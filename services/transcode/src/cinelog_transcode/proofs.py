"""Which encoders work here: each encodes one frame, in a child process that it may crash or hang."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

import msgspec
from cinelog_common.children import Child, ChildDiedError

from cinelog_transcode.domain.decoders import DecoderCandidate, DecoderProof, candidates
from cinelog_transcode.domain.encoders import has_b_frames
from cinelog_transcode.domain.proof import NO_B_FRAMES, TEN_BIT_CODECS, Proof, Trial
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
    async with _Prover(module, deadline_s) as prover:
        for table in tables:
            yield await _proof(prover, table)


async def _proof(prover: "_Prover", table: EncoderTable) -> Proof:
    """Try the encoder as its table has it, then without B-frames, and what worked again with 10 bit."""
    proof = await prover.tried(table, Trial(encoder=table.name))
    # One that hangs would only do so again.
    if not proof.usable and has_b_frames(table) and proof.seconds < prover.deadline_s:
        plain = await prover.tried(table, Trial(encoder=table.name, version=NO_B_FRAMES))
        # If neither works, why the usual way does not is what counts.
        proof = plain if plain.usable else proof
    if not proof.usable or table.codec not in TEN_BIT_CODECS:
        return proof
    deep = await prover.tried(table, Trial(encoder=table.name, depth=10, version=proof.version))
    return msgspec.structs.replace(proof, no_ten_bit=deep.reason, seconds=proof.seconds + deep.seconds)


class _Prover:
    """A child that tries encoders, started anew after one has ended or hung it."""

    def __init__(self, module: str, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._module = module
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def tried(self, table: EncoderTable, trial: Trial) -> Proof:
        """Return what became of one trial."""
        unusable = Proof(encoder=table.name, codec=table.codec, pool=table.pool, usable=False)
        if self._child is None:
            self._child = await Child.start(self._module, env=CODEC_ENV)
        try:
            async with asyncio.timeout(self.deadline_s):
                await self._child.send(msgspec.msgpack.encode(trial))
                return msgspec.msgpack.decode(await self._child.receive(), type=Proof)
        except TimeoutError:
            reason, seconds = f"it did not encode a frame within {self.deadline_s:.0f} s", self.deadline_s
        except ChildDiedError as error:
            how = error.signal_name or f"exit code {error.exit_code}"
            reason, seconds = f"it ended its process ({how})", 0.0
        await self._end()
        return msgspec.structs.replace(unusable, reason=reason, seconds=seconds)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.kill()
