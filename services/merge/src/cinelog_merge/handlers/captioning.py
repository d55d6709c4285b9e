"""Subtitles of a result: cue sheets in, WebVTT out. What is broken is left out, and a warning says so."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction

import msgspec
from cinelog_common.cmaf.playlists import write_media_playlist
from cinelog_common.contract import keys
from cinelog_common.contract.commands import AssembleOutput
from cinelog_common.contract.sidecars import CueSheet, decode_document
from cinelog_common.contract.values import Output, Subtitle
from cinelog_common.cues.webvtt import segmented, within, write_webvtt
from cinelog_common.errors import Category, TransientError
from cinelog_common.objects.errors import ObjectMissingError
from cinelog_common.objects.ports import ObjectStore

from cinelog_merge.domain.captions import (
    SEGMENT_S,
    Caption,
    segment_count,
    segment_name,
    text_playlist,
)

WRITES_AT_A_TIME = 8


class Captioner:
    """Reads what download stored of subtitles, and writes what players read."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._turns = asyncio.Semaphore(WRITES_AT_A_TIME)

    async def read(
        self, command: AssembleOutput, film_s: Fraction
    ) -> tuple[tuple[Caption, ...], tuple[str, ...]]:
        """Return the tracks that say something before the film ends, and warnings.

        Raises:
            TransientError: A cue sheet is not there yet, or the store does not answer.
        """
        found, warnings = [], []
        for subtitle in command.subtitles:
            try:
                sheet = decode_document(CueSheet, await self._present(subtitle))
            except (msgspec.DecodeError, UnicodeDecodeError):
                warnings.append(f"The subtitles in {subtitle.title or subtitle.language} are broken.")
                continue
            cues = tuple(within(sheet.cues, int(film_s * 1000)))
            if cues:
                found.append(Caption(subtitle=subtitle, cues=cues))
        return tuple(found), tuple(warnings)

    async def write_playlists(self, base: str, captions: Sequence[Caption], film_s: Fraction) -> None:
        """Write each track's segments, then its playlist, below `base`.

        Raises:
            TransientError: The store does not answer.
        """
        for caption in captions:
            segments = segmented(caption.cues, SEGMENT_S * 1000, segment_count(film_s))
            async with asyncio.TaskGroup() as group:
                for number, cues in enumerate(segments):
                    key = base + segment_name(caption.subtitle, number)
                    group.create_task(self._write(key, write_webvtt(cues, mapped=True)))
            playlist = text_playlist(caption.subtitle, film_s)
            await self._write(f"{base}{caption.subtitle.name}.m3u8", write_media_playlist(playlist))

    async def write_files(self, command: AssembleOutput, captions: Sequence[Caption]) -> list[Output]:
        """Write each track as a file of its own.

        Raises:
            TransientError: The store does not answer.
        """
        outputs = []
        for caption in captions:
            own = caption.subtitle
            key = f"{keys.output_prefix(command.job, command.run)}{own.name}.{own.language}.vtt"
            size = await self._write(key, write_webvtt(caption.cues))
            outputs.append(Output(kind="subtitles", key=key, size_bytes=size, language=own.language))
        return outputs

    async def _write(self, key: str, text: str) -> int:
        async with self._turns:
            stored = await self._objects.create(key, text.encode())
        return stored.info.size_bytes

    async def _present(self, subtitle: Subtitle) -> bytes:
        try:
            return await self._objects.get(subtitle.key)
        except ObjectMissingError as error:
            raise TransientError(f"{subtitle.key} is not there yet.", category=Category.DEPENDENCY) from error
