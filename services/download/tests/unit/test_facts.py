"""From what the demuxer tells to events."""

import msgspec
import pytest
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.values import AudioInfo, AudioRecipe, Chapter, Source
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


def test_text_beside_the_media_is_told_as_far_as_a_record_holds_it() -> None:
    probed = Probed(
        container="mkv",
        tags={"cover": "\x01" * 3_000_000, **{f"tag {n}": "y" * 3_000 for n in range(500)}, "x" * 999: "z"},
        chapters=tuple(Chapter(start_s=n, end_s=n + 1, title="c" * 9_000) for n in range(5_000)),
        audio=(AudioInfo(codec="aac", sample_rate=48_000, channels=2, title="t" * 2_000_000),),
        warnings=("w" * 100_000,) * 100,
    )

    event = source_probed(COMMAND, probed, Background(fingerprint="f", title="film"))

    assert len(msgspec.json.encode(event)) < 320 << 10
    assert event.tags["cover"] == "\x01" * 4_000
    assert event.tags["tag 3"] == "y" * 3_000
    assert event.chapters[0] == Chapter(start_s=0, end_s=1, title="c" * 200)
    assert "left out" in event.warnings[-1]


def test_text_of_a_usual_length_is_told_as_it_is() -> None:
    chapters = tuple(Chapter(start_s=n, end_s=n + 1, title=f"Chapter {n}") for n in range(400))
    probed = Probed(container="mkv", tags={"artist": "ä" * 900}, chapters=chapters, warnings=("Careful.",))

    event = source_probed(COMMAND, probed, Background(fingerprint="f"))

    assert (event.tags, event.chapters, event.warnings) == (probed.tags, chapters, ("Careful.",))
