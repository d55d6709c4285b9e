import time

import pytest
from cinelog_common.errors import Category, TransientError
from cinelog_download.domain.answers import (
    ContentRange,
    Validator,
    content_range,
    refusal_by_status,
    retry_after_s,
    title_of,
)


@pytest.mark.parametrize(
    ("status", "category", "transient"),
    [
        (401, Category.SOURCE_FORBIDDEN, False),
        (403, Category.SOURCE_FORBIDDEN, False),
        (404, Category.SOURCE_NOT_FOUND, False),
        (410, Category.SOURCE_NOT_FOUND, False),
        (204, Category.NOT_MEDIA, False),
        (418, Category.SOURCE_FORBIDDEN, False),
        (429, Category.SOURCE_UNAVAILABLE, True),
        (500, Category.SOURCE_UNAVAILABLE, True),
        (503, Category.SOURCE_UNAVAILABLE, True),
    ],
)
def test_each_status_has_its_category_and_an_action(status: int, category: Category, transient: bool) -> None:
    error = refusal_by_status(status, "example.com", 3.0)

    assert error is not None
    assert error.category is category
    assert isinstance(error, TransientError) is transient
    assert error.message.endswith(".")
    assert error.action
    assert error.retry_after_s == (3.0 if transient else None)


@pytest.mark.parametrize("status", [200, 206])
def test_a_usable_answer_is_no_error(status: int) -> None:
    assert refusal_by_status(status, "example.com") is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tuesday, 14-Nov-23 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("999999999999999999999", 21600.0),
        ("-3", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, now=1_700_000_000.0) == seconds


def test_a_date_without_a_zone_is_gmt_wherever_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after_s("Tue Nov 14 22:13:30 2023", now=1_700_000_000.0) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("bytes 0-9/100", ContentRange(start=0, stop=10, total=100)),
        ("bytes 5-5/*", ContentRange(start=5, stop=6, total=None)),
        ("bytes */100", ContentRange(start=None, stop=None, total=100)),
        ("bytes 9-5/100", None),
        ("bytes 0-100/100", None),
        ("bytes 0-" + "9" * 30 + "/*", None),
        ("items 0-9/100", None),
        ("", None),
        (None, None),
    ],
)
def test_content_ranges_that_make_no_sense_are_none(value: str | None, parsed: ContentRange | None) -> None:
    assert content_range(value) == parsed


def test_weak_tags_are_never_sent_as_a_condition() -> None:
    assert Validator(etag='W/"a"').if_range is None
    assert Validator(etag='W/"a"', last_modified="then").if_range == "then"
    assert Validator(etag='"a"', last_modified="then").if_range == '"a"'


def test_versions_contradict_each_other_only_in_what_both_have() -> None:
    assert Validator(etag='"a"').contradicts(Validator(etag='"b"'))
    assert not Validator(etag='W/"a"').contradicts(Validator(etag='"a"'))
    assert not Validator(etag='"a"', last_modified="1").contradicts(Validator(etag='"a"', last_modified="2"))
    assert Validator(last_modified="1").contradicts(Validator(last_modified="2"))
    assert not Validator(etag='"a"').contradicts(Validator(last_modified="2"))
    assert not Validator().contradicts(Validator(etag='"a"'))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Validator(etag='W/"a"'), Validator(etag='"a"'), True),
        (Validator(etag='"a"', last_modified="1"), Validator(etag='"b"', last_modified="1"), False),
        (Validator(last_modified="1"), Validator(etag='"a"', last_modified="1"), True),
        (Validator(last_modified="1"), Validator(last_modified="2"), False),
        (Validator(), Validator(etag='"a"'), False),
        (Validator(), Validator(), False),
    ],
)
def test_a_version_is_surely_the_same_where_both_name_it(
    one: Validator, other: Validator, *, same: bool
) -> None:
    assert one.names(other) is same
    assert other.names(one) is same


@pytest.mark.parametrize(
    ("url", "disposition", "title"),
    [
        ("https://h.example/a/My%20Film.mp4?x=1", "", "My Film"),
        ("https://h.example/x", 'attachment; filename="../../etc/The Film.mkv"', "The Film"),
        ("https://h.example/x", "attachment; filename*=UTF-8''%C3%9Cber.mp4", "Über"),
        ("https://h.example/", "", "h.example"),
        ("https://h.example/v1.2_final", "", "v1.2_final"),
    ],
)
def test_a_file_is_titled_by_its_name(url: str, disposition: str, title: str) -> None:
    assert title_of(url, {"Content-Disposition": disposition}) == title
