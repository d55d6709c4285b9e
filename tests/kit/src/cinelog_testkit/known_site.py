"""A child that reads pages as the real one does, and knows one site more: on loopback, below `/watch/`.

A page of that site is what its extractor says of it, as JSON: so a test decides what yt-dlp finds, down to
the headers and the chunk size of each format. Run with `python -m`.
"""

from typing import Any

from cinelog_common.child_channel import serve
from cinelog_download.children.resolver import _handle
from yt_dlp import YoutubeDL
from yt_dlp.extractor.common import InfoExtractor


class WatchIE(InfoExtractor):  # type: ignore[misc]
    """The site's extractor; what its pages say is its answer."""

    _VALID_URL = r"http://127\.0\.0\.1:\d+/watch/(?P<id>\w+)"

    def _real_extract(self, url: str) -> Any:
        return self._download_json(url, self._match_id(url))


def _know_the_site() -> None:
    add_the_others = YoutubeDL.add_default_info_extractors

    def add_all(ydl: YoutubeDL) -> None:
        # Whoever comes first is asked first, and the generic one takes every page.
        ydl.add_info_extractor(WatchIE())
        add_the_others(ydl)

    YoutubeDL.add_default_info_extractors = add_all


if __name__ == "__main__":
    _know_the_site()
    serve(_handle)
