"""The Kafka edge of storage: work on `cinelog.work.publish`, and the mirror of `cinelog.jobs.status`."""

from typing import Any

import msgspec
from cinelog_common.collections import JOBS
from cinelog_common.contract import keys
from cinelog_common.contract.status import JobState, JobStatus
from cinelog_common.documents.ports import DocumentStore
from cinelog_common.errors import Category
from cinelog_common.kafka.dead_letters import DeadLetters, Reason
from cinelog_common.kafka.records import Record
from cinelog_common.objects.ports import ObjectStore
from loguru import logger


class Mirror:
    """Copies every job's latest snapshot into the documents, guarded by its version."""

    def __init__(self, documents: DocumentStore, objects: ObjectStore, dead_letters: DeadLetters) -> None:
        self._documents = documents
        self._objects = objects
        self._dead_letters = dead_letters

    async def handle(self, record: Record) -> None:
        """Store one snapshot; what belongs to a deleted job is removed.

        Raises:
            TransientError: A store does not answer; the record is handled again.
            msgspec.DecodeError: It is no snapshot.
        """
        if record.value is None:
            return
        status = msgspec.json.decode(record.value, type=JobStatus)
        if status.state == JobState.DELETED:
            await self._objects.delete_prefix(keys.job_prefix(status.job))
        await self._documents.put(JOBS.name, status.job, document_of(status), status.version)

    async def on_error(self, record: Record, error: Exception) -> None:
        """Put aside what is no snapshot: one broken record must not stop the mirror."""
        logger.bind(action="mirror.refused").warning(
            "{}-{} offset {}: {}", record.topic, record.partition, record.offset, error
        )
        await self._dead_letters.put(record, Reason(category=Category.INVALID_REQUEST, sentence=str(error)))


def document_of(status: JobStatus) -> dict[str, Any]:
    """Return the document that readers see: everything but the ledger's own state."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(status))
    document.pop("ledger", None)
    document.setdefault("created_ms", 0)
    document.setdefault("account", status.account)
    return document
