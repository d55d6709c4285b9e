"""The in-process log of the standalone mode: librdkafka's broker, on loopback.

The confluent-kafka wheel brings it. It speaks the real protocol, so everything else runs on it unchanged.
Its limits: one member per group, no topic administration, no compaction, no transactions, and a partition
keeps its newest 5 MiB or 100,000 batches: the oldest go silently. So bytes of media never travel in
records, snapshots are sent at a bounded rate, and what must survive a restart is in the documents store.
It dies with the process.
"""

import contextlib
import ctypes
import importlib.util
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from cinelog_common.errors import Category, PermanentError
from cinelog_common.kafka import wakeups

PARTITION_LIMIT_BYTES = 5 * 1024 * 1024
"""What a partition keeps; a topic's unread backlog must stay below it."""

_PRODUCER = 0  # rd_kafka_type_t
_HANDLE = ctypes.c_void_p
_NUDGE_EVERY_S = 0.002


class EmbeddedBroker:
    """An in-process broker with these topics (name, partitions).

    Starting takes a few milliseconds. Stop it after its clients: they would try to reconnect.

    Raises:
        PermanentError: The library in the confluent-kafka wheel does not offer the broker.
    """

    def __init__(self, topics: Sequence[tuple[str, int]]) -> None:
        self._library = _library()
        self._client: int | None = None
        self._cluster: int | None = None
        self.bootstrap = self._start(topics)
        """host:port"""
        wakeups.register(self.bootstrap)

    def stop(self) -> None:
        """End the broker and everything in it; once is enough, twice does no harm."""
        if self._cluster is None:
            return
        wakeups.unregister(self.bootstrap)
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)
        self._cluster = self._client = None

    def __enter__(self) -> Self:
        """Return the running broker."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def _start(self, topics: Sequence[tuple[str, int]]) -> str:
        library = self._library
        reason = ctypes.create_string_buffer(512)
        conf = library.rd_kafka_conf_new()
        # It would log that it has no bootstrap servers; the client only carries the broker's threads.
        library.rd_kafka_conf_set_log_cb(conf, None)
        self._client = library.rd_kafka_new(_PRODUCER, conf, reason, len(reason))
        if not self._client:
            raise _unusable(reason.value.decode(errors="replace"))
        self._cluster = library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            raise _unusable("the broker did not start")
        # Each group's first join would wait 3 s for more members, who cannot come.
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        bootstrap = str(library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())
        with _kept_awake(bootstrap):
            for name, partitions in topics:
                code = library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
                if code:
                    raise _unusable(f"topic {name} was refused with code {code}")
        return bootstrap


@contextlib.contextmanager
def _kept_awake(bootstrap: str) -> Iterator[None]:
    """Keep the broker's thread from sleeping over what it is asked.

    librdkafka limits how often a queue may wake its reader: a request that comes too soon after another
    lies there until the broker's poll is over, a second later (26 topics: 1 to 3 s measured, now 3 ms).
    Anything that arrives on a socket ends that poll.
    """
    host, _, port = bootstrap.rpartition(":")
    done = threading.Event()

    def nudge() -> None:
        while not done.wait(_NUDGE_EVERY_S):
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1.0):
                pass

    nudger = threading.Thread(target=nudge, name="embedded-broker-nudge", daemon=True)
    nudger.start()
    try:
        yield
    finally:
        done.set()
        nudger.join()


def _library() -> ctypes.CDLL:
    for path in _candidates():
        library = ctypes.CDLL(str(path))
        if hasattr(library, "rd_kafka_mock_cluster_new"):
            return _declared(library)
    raise _unusable("no library in the confluent-kafka package has it")


def _candidates() -> list[Path]:
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    return [
        *package.parent.glob("confluent_kafka.libs/*rdkafka*"),  # Linux and Windows wheels
        *package.glob(".dylibs/*rdkafka*"),  # macOS wheels
        *package.glob("cimpl*"),  # linked statically
    ]


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.rd_kafka_conf_new.restype = _HANDLE
    library.rd_kafka_conf_set_log_cb.argtypes = [_HANDLE, ctypes.c_void_p]
    library.rd_kafka_new.restype = _HANDLE
    library.rd_kafka_new.argtypes = [ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [_HANDLE]
    library.rd_kafka_mock_cluster_new.restype = _HANDLE
    library.rd_kafka_mock_cluster_new.argtypes = [_HANDLE, ctypes.c_int]
    library.rd_kafka_mock_cluster_destroy.argtypes = [_HANDLE]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [_HANDLE]
    library.rd_kafka_mock_topic_create.argtypes = [_HANDLE, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [_HANDLE, ctypes.c_int32]
    return library


def _unusable(reason: str) -> PermanentError:
    return PermanentError(
        f"The in-process broker is not usable: {reason}.",
        category=Category.DEPENDENCY,
        action="Install the confluent-kafka version that Cinelog pins, or set the address of a Kafka.",
    )
