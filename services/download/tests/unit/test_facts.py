"""From what the demuxer tells to events."""

import pytest
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_download.domain.demuxing import Probed
from cinelog_download.domain.facts import Background, source_probed
from msgspec.structs import replace

COMMAND = FetchSource(job="job", source=Source(url="/films/film.mp4"), audio=AudioRecipe())


@pytest.mark.parametrize(
    ("tags", "by_page", "asked", "title"),
    [
        ({}, False, None, "film"),
        ({"title": "A fine film"}, False, None, "A fine film"),
        ({"TITLE": " A fine\nfilm "}, False, None, "A finefilm"),
        ({"title": "  "}, False, None, "film"),
        ({"title": "encoder test"}, True, None, "film"),
        ({"title": "A fine film"}, False, "Mine", "Mine"),
        ({"title": "x" * 500}, False, None, "x" * 200),
    ],
)
def test_a_page_knows_the_title_best_and_a_container_better_than_a_file_name(
    tags: dict[str, str], by_page: bool, asked: str | None, title: str
) -> None:
    probed = Probed(container="mp4", tags=tags)
    background = Background(fingerprint="f", title="film", by_page=by_page)

    event = source_probed(replace(COMMAND, title=asked), probed, background)

    assert event.title == title
