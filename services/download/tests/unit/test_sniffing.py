import pytest
from cinelog_download.domain.sniffing import Kind, sniff

TRANSPORT = (b"\x47" + bytes(187)) * 4
M2TS = (bytes(4) + b"\x47" + bytes(187)) * 4


@pytest.mark.parametrize(
    ("head", "content_type", "kind"),
    [
        (b"", "video/mp4", Kind.EMPTY),
        (b"\x00\x00\x00\x20ftypisom", "text/html", Kind.MEDIA),
        (b"\x00\x00\x00\x08wide\x00\x00\x00\x00mdat", "", Kind.MEDIA),
        (b"\x1a\x45\xdf\xa3\x01\x00", "application/octet-stream", Kind.MEDIA),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "", Kind.MEDIA),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp", Kind.OTHER),
        (TRANSPORT, "", Kind.MEDIA),
        (M2TS, "", Kind.MEDIA),
        (b"\xff\xfb\x90\x64" + bytes(400), "audio/mpeg", Kind.MEDIA),
        (b"\xff\xf1\x50\x80" + bytes(400), "audio/aac", Kind.MEDIA),
        (b"ID3\x04\x00", "", Kind.MEDIA),
        (b"<!DOCTYPE html><html>", "video/mp4", Kind.PAGE),
        (b"\xef\xbb\xbf  \n<HTML>", "", Kind.PAGE),
        (b'{"a": 1}', "application/json", Kind.PAGE),
        (b"<?xml version='1.0'?><rss>", "application/xml", Kind.PAGE),
        (b"<?xml version='1.0'?>\n<MPD xmlns=''>", "text/xml", Kind.DASH),
        (b"#EXTM3U\n#EXT-X-VERSION:3", "text/plain", Kind.HLS),
        (b"\x89PNG\r\n", "video/mp4", Kind.OTHER),
        (b"%PDF-1.7", "application/pdf", Kind.OTHER),
        (b"PK\x03\x04", "", Kind.OTHER),
        (b"\x01\x02\x03\x04", "video/mp4", Kind.PERHAPS_MEDIA),
        (b"\x01\x02\x03\x04", "", Kind.PERHAPS_MEDIA),
        (b"hello", "text/plain", Kind.PAGE),
        (b"\x47", "", Kind.PERHAPS_MEDIA),
    ],
)
def test_bytes_weigh_more_than_headers(head: bytes, content_type: str, kind: Kind) -> None:
    assert sniff(head, content_type) is kind
