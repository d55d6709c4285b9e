import socket

import pytest
from cinelog_common.errors import Category, PermanentError
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.locations import (
    FileLocation,
    StoredLocation,
    WebLocation,
    locate,
    plain_host,
    web_location,
)
from hypothesis import given
from hypothesis import strategies as st

STRICT = AddressPolicy()
OPEN = AddressPolicy(allow_private=True)

DISGUISED = (
    "http://127.0.0.1/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0x/",
    "http://①②⑦.⓪.⓪.①/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://127。0。0。1/",
    "http://localhost/",
    "http://LOCALHOST:8080/",
    "http://localhost./",
    "http://a.localhost/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::]/",
    "http://[64:ff9b::7f00:1]/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@10.0.0.1/",
    "http://user:pass@169.254.169.254/latest/meta-data",
    "http://example.com:22/",
    "https://example.com:6379/",
)
MALFORMED = (
    "http://",
    "http:///path",
    "http://exa mple.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com\r\nHost: evil/",
    "http://example.com:99999/",
    "http://example.com:0/",
    "http://example.com:abc/",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    "http://exa%6dple.com/",
    "http://../",
    "http://example..com/",
    "http://\ud800.com/",
    "http://" + "a" * 9000,
)


@pytest.mark.parametrize("url", DISGUISED)
def test_private_addresses_are_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        locate(url, STRICT)

    assert caught.value.category is Category.SOURCE_REFUSED
    assert caught.value.action


@pytest.mark.parametrize("url", DISGUISED)
def test_the_same_addresses_pass_where_the_setting_allows_them(url: str) -> None:
    assert isinstance(locate(url, OPEN), WebLocation)


@pytest.mark.parametrize("url", MALFORMED)
def test_malformed_addresses_are_named_as_such(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        locate(url, OPEN)

    assert caught.value.category is Category.INVALID_REQUEST


def test_credentials_are_taken_out_of_the_address() -> None:
    location = web_location("https://us%40er:p%3Aw@Example.COM.:8443/a?b=c#d", STRICT)

    assert location.url == "https://example.com:8443/a?b=c"
    assert (location.user, location.password) == ("us@er", "p:w")
    assert location.origin == ("https", "example.com", 8443)


def test_credentials_are_not_repeated_in_messages() -> None:
    with pytest.raises(PermanentError) as caught:
        web_location("http://user:secret@example.com:99999/?token=hidden", STRICT)

    assert "secret" not in caught.value.message
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("Example.COM.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("8.8.8.8", "8.8.8.8"),
        ("2001:DB8::1", "2001:db8::1"),
        ("a_b.example", "a_b.example"),
        ("a b", ""),
        ("fe80::1%eth0", ""),
        ("", ""),
        (".", ""),
    ],
)
def test_hosts_are_written_as_a_resolver_sees_them(host: str, plain: str) -> None:
    assert plain_host(host) == plain


@given(
    st.lists(
        st.one_of(
            st.integers(0, 2**33).map(str),
            st.integers(0, 2**33).map(hex),
            st.integers(0, 2**33).map(lambda number: f"0{number:o}"),
            st.integers(0, 300).map(str),
            st.sampled_from(["08", "00", "a", "0xg"]),
        ),
        min_size=1,
        max_size=5,
    ).map(".".join)
)
def test_every_spelling_that_the_c_library_takes_for_an_address_is_written_out(name: str) -> None:
    try:
        address = socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        address = name

    assert plain_host(name) == address


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "FILE:/etc/passwd", "clip.mp4"])
def test_files_of_this_machine_are_refused_unless_allowed(source: str) -> None:
    with pytest.raises(PermanentError) as caught:
        locate(source, STRICT)

    assert caught.value.category is Category.SOURCE_REFUSED
    assert isinstance(locate(source, OPEN), FileLocation)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("file:///a%20b/c.mp4", "/a b/c.mp4"),
        ("file://localhost/c.mp4", "/c.mp4"),
        ("a dir/clip #1?.mp4", "a dir/clip #1?.mp4"),
        ("http.mp4", "http.mp4"),
        ("C:clip.mp4", "C:clip.mp4"),
    ],
)
def test_paths_are_taken_as_they_are_and_file_urls_are_decoded(source: str, path: str) -> None:
    assert locate(source, OPEN) == FileLocation(path=path)


@pytest.mark.parametrize(
    ("source", "category"),
    [
        ("file://server/share/c.mp4", Category.UNSUPPORTED_SOURCE),
        ("file:///a%00b", Category.INVALID_REQUEST),
        ("ftp://example.com/a.mp4", Category.INVALID_REQUEST),
        ("rtmp://example.com/live", Category.INVALID_REQUEST),
        ("upload:///a", Category.INVALID_REQUEST),
        ("object://a/../b", Category.INVALID_REQUEST),
        ("upload://", Category.INVALID_REQUEST),
    ],
)
def test_what_is_no_source_is_refused(source: str, category: Category) -> None:
    with pytest.raises(PermanentError) as caught:
        locate(source, OPEN)

    assert caught.value.category is category


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("upload:a1b2", "uploads/a1b2"),
        ("upload://a1b2/clip.mp4", "uploads/a1b2/clip.mp4"),
        ("upload://uploads/a1b2", "uploads/a1b2"),
        ("object://films/a.mkv", "films/a.mkv"),
    ],
)
def test_uploads_and_objects_are_keys_of_our_store(source: str, key: str) -> None:
    assert locate(source, STRICT) == StoredLocation(key=key)


def test_objects_of_other_jobs_are_no_sources() -> None:
    with pytest.raises(PermanentError) as caught:
        locate("object://jobs/x/1/output/video.mp4", STRICT)

    assert caught.value.category is Category.SOURCE_REFUSED
