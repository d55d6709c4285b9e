import pytest
from cinelog_download.domain.languages import three_letters


@pytest.mark.parametrize(
    ("tag", "language"),
    [("de", "deu"), ("de-AT", "deu"), ("EN_us", "eng"), ("fra", "fra"), ("", "und"), ("x-klingon", "und")],
)
def test_tags_of_playlists_become_the_languages_of_containers(tag: str, language: str) -> None:
    assert three_letters(tag) == language
