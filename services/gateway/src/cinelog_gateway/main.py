"""The composition root: settings and platform in, the gateway out."""

from cinelog_common.kafka.compacted import CompactedReader
from cinelog_common.metrics import Metrics
from cinelog_common.platform import Platform, Service
from loguru import logger

from cinelog_gateway.adapters.files import ObjectFiles
from cinelog_gateway.adapters.hardware import LogHardware
from cinelog_gateway.adapters.health import Checks, LogCheck, checks_of
from cinelog_gateway.adapters.jobs import LogJobs, ReaderMaker
from cinelog_gateway.adapters.promises import JournalPromises, LogPromises
from cinelog_gateway.adapters.server import HttpServer, ServerSettings
from cinelog_gateway.api.app import create_app
from cinelog_gateway.api.edge import EdgeSettings
from cinelog_gateway.api.parts import Parts
from cinelog_gateway.domain.origins import policy
from cinelog_gateway.handlers import Desk, Reach
from cinelog_gateway.ports import Promises
from cinelog_gateway.settings import Settings


class GatewayService:
    """Serves HTTP as long as it runs."""

    name = "gateway"

    def __init__(
        self,
        settings: Settings,
        platform: Platform,
        promises: Promises,
        *,
        reader: ReaderMaker = CompactedReader,
    ) -> None:
        self._settings = settings
        self._jobs = LogJobs(
            platform.bootstrap, platform.documents, capacity=settings.max_jobs, reader=reader
        )
        self._hardware = LogHardware(
            platform.bootstrap, platform.clock, declared=platform.pools, reader=reader
        )
        self._log_check = LogCheck(platform.bootstrap)
        desk = Desk(
            Reach(
                jobs=self._jobs,
                promises=promises,
                announcer=platform.announcer(self.name),
                hardware=self._hardware,
                clock=platform.clock,
                account=settings.account,
                patience_s=settings.patience_s,
            )
        )
        parts = Parts(
            desk=desk,
            jobs=self._jobs,
            files=ObjectFiles(platform.objects),
            health=Checks(platform.clock, checks_of(platform, self._log_check)),
            metrics=Metrics(),
            max_watchers=settings.max_watchers,
        )
        edge = EdgeSettings(
            policy=policy(settings.host, settings.hosts(), settings.origins()),
            max_body_bytes=settings.max_body_bytes,
            body_timeout_s=settings.body_timeout_s,
        )
        self._server = HttpServer(
            create_app(parts, edge, clock=platform.clock),
            ServerSettings(
                host=settings.host,
                port=settings.port,
                max_connections=settings.max_connections,
                ping_interval_s=settings.ping_interval_s,
            ),
        )

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._server.port

    async def start(self) -> None:
        """Follow the log and listen.

        Raises:
            TransientError: No broker answers, or topics are missing.
            PermanentError: The address cannot be listened on.
        """
        try:
            # Listening comes last: whoever is answered may rely on being told what follows.
            await self._jobs.start()
            await self._hardware.start()
            await self._server.start()
        except BaseException:
            await self.stop(0)
            raise
        logger.bind(action="gateway.listening").info("http://{}:{}", self._settings.host, self.port)

    async def stop(self, deadline_s: float) -> None:
        """Take no more requests, finish those in hand within the deadline, and leave."""
        await self._server.stop(deadline_s)
        await self._hardware.stop()
        await self._jobs.stop()
        await self._log_check.stop()

    def ready(self) -> bool:
        """Whether requests are taken and every job in the log is known."""
        return self._server.alive and self._jobs.ready


def build(settings: Settings, platform: Platform) -> Service:
    """Return the gateway. What it acknowledges the log remembers, or the journal if the log dies with us."""
    journal = platform.journal
    return GatewayService(settings, platform, LogPromises() if journal is None else JournalPromises(journal))
