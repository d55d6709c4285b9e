"""How a browser whose cookies are wanted is named."""

import pytest
from cinelog_download.domain.pages import browser_of


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("firefox", ("firefox", None, None, None)),
        ("Chrome+kwallet5", ("chrome", None, "KWALLET5", None)),
        ("firefox:/home/me/profile", ("firefox", "/home/me/profile", None, None)),
        ("firefox:default::Personal", ("firefox", "default", None, "Personal")),
        ("firefox::none", ("firefox", None, None, "none")),
        (" edge+gnomekeyring:Work ", ("edge", "Work", "GNOMEKEYRING", None)),
    ],
)
def test_each_part_is_found(text: str, parts: tuple[str | None, ...]) -> None:
    assert browser_of(text) == parts


@pytest.mark.parametrize("text", ["", "no browser", ":profile", "firefox+", "../firefox"])
def test_what_names_no_browser_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="BROWSER"):
        browser_of(text)
