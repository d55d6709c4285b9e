"""Puts resolving and fetching together: everything of this service that meets the network."""

from collections.abc import Mapping

from cinelog_common.clock import Clock
from cinelog_common.objects.ports import ObjectStore

from cinelog_download.adapters.fetcher import SourceFetcher
from cinelog_download.adapters.http import HttpClient
from cinelog_download.adapters.pages import PageResolver
from cinelog_download.adapters.parking import Parking
from cinelog_download.adapters.proxy import FilteringProxy
from cinelog_download.adapters.resolving import SourceResolver
from cinelog_download.adapters.subtitles import SubtitleFetcher
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.ports import Fetcher, Resolver, TextFetcher


class Network:
    """A resolver and a fetcher that share connections; closed at the end of the process."""

    def __init__(
        self, policy: FetchPolicy, objects: ObjectStore, clock: Clock, child_env: Mapping[str, str]
    ) -> None:
        """`child_env` is added to the environment of the child that reads pages."""
        self._client = HttpClient(policy, clock)
        self._parking = Parking(keep_s=policy.parked_s)
        self._proxy = FilteringProxy(policy)
        pages = PageResolver(policy, self._proxy, child_env)
        self.resolver: Resolver = SourceResolver(
            self._client, self._parking, pages, objects=objects, policy=policy
        )
        self.fetcher: Fetcher = SourceFetcher(
            self._client, self._parking, objects, policy=policy, clock=clock
        )

        self.texts: TextFetcher = SubtitleFetcher(self._client)

    async def warm(self) -> None:
        """Import the HTTP client in a thread, so that the first job does not wait for it."""
        await self._client.warm()

    async def close(self) -> None:
        """Close all connections; fetches that still run fail."""
        await self._parking.close()
        await self._client.close()
        await self._proxy.close()
