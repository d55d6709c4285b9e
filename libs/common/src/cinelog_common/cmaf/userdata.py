"""What a file says about the film: tags, cover and chapters, in the forms that players read."""

import struct
from collections.abc import Sequence

import msgspec

from cinelog_common.cmaf.boxes import box, full_box

MAX_MARKS = 255
"""Nero's list counts chapters in one byte."""
_PNG = b"\x89PNG"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chapter begins, and what it is called; it lasts until the next."""

    start_ms: int
    title: str


class JoinTags(msgspec.Struct, frozen=True, kw_only=True):
    """What players show about the film. Empty fields are left out."""

    title: str = ""
    artist: str = ""
    date: str = ""
    comment: str = ""
    album: str = ""
    album_artist: str = ""
    composer: str = ""
    genre: str = ""
    description: str = ""
    copyright: str = ""
    chapters: Sequence[Mark] = ()
    """Where chapters begin, in order; a track of kind "chapters" tells the same to QuickTime."""
    cover: bytes = b""
    """A picture, as JPEG or PNG."""


def user_data(tags: JoinTags) -> bytes:
    """udta of the movie: iTunes' tags (QuickTime File Format, metadata) and Nero's chapters."""
    named = (
        (b"\xa9nam", tags.title),
        (b"\xa9ART", tags.artist),
        (b"aART", tags.album_artist),
        (b"\xa9alb", tags.album),
        (b"\xa9wrt", tags.composer),
        (b"\xa9gen", tags.genre),
        (b"\xa9day", tags.date),
        (b"\xa9cmt", tags.comment),
        (b"desc", tags.description),
        (b"cprt", tags.copyright),
    )
    # Type 1: UTF-8; then a locale of 0.
    items = [
        box(kind, box(b"data", struct.pack(">II", 1, 0), text.encode("utf-8", "replace")))
        for kind, text in named
        if text
    ]
    if tags.cover:
        # Type 13: JPEG; 14: PNG.
        form = 14 if tags.cover.startswith(_PNG) else 13
        items.append(box(b"covr", box(b"data", struct.pack(">II", form, 0), tags.cover)))
    parts = [_chapter_list(tags.chapters)] if tags.chapters else []
    if items:
        hdlr = full_box(b"hdlr", 0, 0, bytes(4), b"mdirappl", bytes(9))
        parts.insert(0, full_box(b"meta", 0, 0, hdlr, box(b"ilst", *items)))
    return box(b"udta", *parts) if parts else b""


def _chapter_list(marks: Sequence[Mark]) -> bytes:
    """chpl, as Nero wrote it first: starts in units of 100 ns, and titles of at most 255 bytes."""
    rows = []
    for mark in marks[:MAX_MARKS]:
        title = mark.title.encode("utf-8", "replace")[:255].decode("utf-8", "ignore").encode()
        rows.append(struct.pack(">QB", mark.start_ms * 10_000, len(title)) + title)
    return full_box(b"chpl", 1, 0, struct.pack(">IB", 0, len(rows)), *rows)
