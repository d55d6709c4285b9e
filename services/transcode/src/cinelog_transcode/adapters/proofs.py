"""This worker's proofs, made once at its start and asked for by every command."""

import asyncio
from collections.abc import AsyncIterator

from loguru import logger

from cinelog_transcode.domain.proof import Proof


class ProofBook:
    """Collects proofs as they come; who asks early waits."""

    def __init__(self, *, quiet: bool = False) -> None:
        """One that is `quiet` tells of what does not work only those who look for it."""
        self._quiet = quiet
        self._known: dict[str, Proof] = {}
        self._complete = False
        self._news = asyncio.Condition()

    async def fill(self, proofs: AsyncIterator[Proof]) -> None:
        """Take every proof. Whatever happens, those who wait get an answer afterwards."""
        try:
            async for proof in proofs:
                self._log(proof)
                async with self._news:
                    self._known[proof.encoder] = proof
                    self._news.notify_all()
        finally:
            self._complete = True
            async with self._news:
                self._news.notify_all()

    async def of(self, encoder: str) -> Proof:
        """Return the proof of one encoder, waiting while it is still being made."""
        async with self._news:
            await self._news.wait_for(lambda: self._complete or encoder in self._known)
        missing = Proof(
            encoder=encoder, codec="", pool="", usable=False, reason="this worker's pool does not use it"
        )
        return self._known.get(encoder, missing)

    async def all(self) -> tuple[Proof, ...]:
        """Return every proof, once all are made."""
        async with self._news:
            await self._news.wait_for(lambda: self._complete)
        return tuple(self._known.values())

    def _log(self, proof: Proof) -> None:
        log = logger.bind(action="encoder.proven" if proof.usable else "encoder.unusable")
        if proof.usable:
            log.debug("{} {} works ({:.2f} s)", proof.encoder, proof.version, proof.seconds)
            if proof.no_ten_bit:
                log.info("{} cannot encode 10 bit: {}", proof.encoder, proof.no_ten_bit)
        else:
            log.log("DEBUG" if self._quiet else "INFO", "{} cannot be used: {}", proof.encoder, proof.reason)
