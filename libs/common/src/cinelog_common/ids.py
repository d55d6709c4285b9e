"""Deterministic identifiers: whoever repeats work repeats the same ids.

A random id would make a redelivered event a new fact; a name-based one
(RFC 9562, version 5) makes the repetition recognisable everywhere.
"""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001")


def name_id(*parts: str | int) -> str:
    """Return the UUID of `parts`, unambiguous whatever they contain."""
    return str(uuid5(_NAMESPACE, "".join(f"{len(str(part))}:{part}" for part in parts)))


def job_id_of_event(ce_source: str, ce_id: str) -> str:
    """Return the job id of a request that came as a CloudEvent (source and id are unique together)."""
    return name_id("ce", ce_source, ce_id)


def job_id_of_position(topic: str, partition: int, offset: int, *, epoch: int = 1) -> str:
    """Return the job id of a plain request: its place in the log is its only name.

    A log that is made anew counts from zero again, so its `epoch` belongs to the name from the second on.
    """
    again = (epoch,) if epoch > 1 else ()
    return name_id("log", topic, partition, offset, *again)


def job_id_of_key(account: str, idempotency_key: str) -> str:
    """Return the job id of a request made over HTTP or by `cinelog run`."""
    return name_id("key", account, idempotency_key)
