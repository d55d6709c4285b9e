"""The platform of a deployment: Kafka, MongoDB and S3, for one service in this process."""

import contextlib

from cinelog_common.clock import SystemClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.documents.mongo import MongoDocumentStore
from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka.admin import TopicsReport, apply_topics, check_topics
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.objects.s3 import S3ObjectStore, S3Options
from cinelog_common.platform import Platform, worker_name

from cinelog.settings import DeploymentSettings


async def open_platform(
    settings: DeploymentSettings, name: str, stack: contextlib.AsyncExitStack
) -> Platform:
    """Return the platform for the service `name`; `stack` closes it.

    Raises:
        TransientError: A server does not answer, or topics are missing.
        PermanentError: A server refuses us, or the object store cannot create if-none-match.
    """
    await require_topics(settings)
    producer = Producer(ProducerSettings(bootstrap=settings.kafka, client_id=name))
    await producer.start()
    stack.push_async_callback(producer.stop)
    documents = await MongoDocumentStore.open(
        settings.mongo.get_secret_value(), settings.mongo_database, COLLECTIONS
    )
    stack.push_async_callback(documents.close)
    objects = await S3ObjectStore.open(_s3(settings))
    stack.push_async_callback(objects.close)
    await objects.probe()
    return Platform(
        bootstrap=settings.kafka,
        epoch=settings.log_epoch,
        producer=producer,
        objects=objects,
        documents=documents,
        clock=SystemClock(),
        scratch=settings.scratch,
        worker=worker_name(name),
        embedded=False,
        partitions=settings.partitions,
        pools=settings.declared,
        session_s=settings.session_s,
    )


async def require_topics(settings: DeploymentSettings) -> None:
    """Make sure that every topic exists: who subscribes before that hears nothing.

    Raises:
        TransientError: Topics are missing.
    """
    report = await check_topics(settings.kafka, _specs(settings), replication=settings.replication)
    if report.created:
        raise TransientError(
            f"Topics are missing: {', '.join(report.created)}.",
            category=Category.DEPENDENCY,
            action="Run `cinelog topics apply`.",
        )


async def ensure_topics(settings: DeploymentSettings, *, apply: bool) -> TopicsReport:
    """Create what is missing, or only say what is.

    Raises:
        TransientError: No broker answers.
        PermanentError: The broker does not let us.
    """
    work = apply_topics if apply else check_topics
    return await work(settings.kafka, _specs(settings), replication=settings.replication)


def _specs(settings: DeploymentSettings) -> tuple[topics.Topic, ...]:
    return topics.topics(partitions=settings.partitions, pools=tuple(settings.declared))


def _s3(settings: DeploymentSettings) -> S3Options:
    secret = settings.s3_secret_key
    return S3Options(
        bucket=settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=secret.get_secret_value() if secret is not None else None,
        region=settings.s3_region,
    )
