"""Recordings that come in pieces: what their playlists and manifests lead to."""

import asyncio
from typing import Final

import msgspec
from cinelog_common.languages import three_letters

from cinelog_download.adapters.documents import read_whole
from cinelog_download.adapters.hls import best_variant, recording
from cinelog_download.adapters.http import HttpClient
from cinelog_download.domain.dashtexts import LostText
from cinelog_download.domain.headers import HttpRequest, for_another
from cinelog_download.domain.manifests import Presentation, Stream, presentation
from cinelog_download.domain.pieces import Recording
from cinelog_download.domain.playlists import Variant
from cinelog_download.ports import Input, Subtitle

_MAX_PLAYLIST_BYTES: Final = 16 << 20
_MAX_MANIFEST_BYTES: Final = 8 << 20


class HlsPlaylists:
    """Reads playlists of HTTP Live Streaming.

    Attributes:
        subtitles: Of the playlist of playlists that was read last.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.subtitles: tuple[Subtitle, ...] = ()

    async def inputs(self, request: HttpRequest, *, sounds: int) -> tuple[tuple[Input, ...], float]:
        """Return what the playlist at `request` leads to, best variant first, and its length in seconds.

        Raises:
            TransientError: As for `ports.Resolver.resolve`.
            PermanentError: As for `ports.Resolver.resolve`.
        """
        text, url = await self._text(request)
        variant = await asyncio.to_thread(best_variant, text, url)
        if variant is None:
            found = await asyncio.to_thread(recording, text, url)
            return (msgspec.structs.replace(_input(request, "both"), recording=found),), found.duration_s
        self.subtitles = tuple(
            Subtitle(
                url=each.url,
                language=each.language or "und",
                title=each.name,
                headers=for_another(request, each.url).headers,
            )
            for each in variant.words
        )
        chosen = [await self.looked_into(each) for each in _variant_inputs(request, variant, sounds)]
        lengths = [each.recording.duration_s for each in chosen if each.recording is not None]
        return tuple(chosen), lengths[0]

    async def looked_into(self, wanted: Input) -> Input:
        """Return `wanted` with what its playlist names.

        Raises:
            TransientError: As for `recording`.
            PermanentError: As for `recording`.
        """
        return msgspec.structs.replace(wanted, recording=await self.recording(wanted))

    async def recording(self, wanted: Input) -> Recording:
        """Return the pieces of one media playlist.

        Raises:
            TransientError: As for `ports.Resolver.resolve`.
            PermanentError: As for `adapters.hls.recording`.
        """
        request = HttpRequest(url=wanted.url, headers=wanted.headers, cookies=wanted.cookies)
        text, url = await self._text(request)
        # A long one takes seconds, which everything else must not wait for.
        return await asyncio.to_thread(recording, text, url)

    async def _text(self, request: HttpRequest) -> tuple[str, str]:
        data, url = await read_whole(self._client, request, most=_MAX_PLAYLIST_BYTES, what="playlist")
        return data.decode("utf-8", "replace"), url


class DashManifests:
    """Reads manifests of DASH.

    Attributes:
        subtitles: Of the manifest that was read last.
        lost_texts: Those of them that cannot be used.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.subtitles: tuple[Subtitle, ...] = ()
        self.lost_texts: tuple[LostText, ...] = ()

    async def inputs(self, request: HttpRequest, *, sounds: int) -> tuple[tuple[Input, ...], float]:
        """Return the best picture and up to `sounds` sounds, and the length in seconds.

        Raises:
            TransientError: As for `ports.Resolver.resolve`.
            PermanentError: As for `ports.Resolver.resolve`, and `domain.manifests.presentation`.
        """
        data, url = await read_whole(self._client, request, most=_MAX_MANIFEST_BYTES, what="DASH manifest")
        encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
        # A long one takes seconds, which everything else must not wait for.
        found = await asyncio.to_thread(presentation, data.decode(encoding, "replace"), url)
        self.subtitles = _subtitles(request, found)
        self.lost_texts = found.lost
        pictures = [each for each in found.streams if each.kind != "audio"]
        voices = [each for each in found.streams if each.kind == "audio"][:sounds]
        inputs = tuple(_stream_input(request, each) for each in (*pictures, *voices))
        lengths = [each.recording.duration_s for each in (*pictures, *voices) if each.recording is not None]
        return inputs, max(lengths, default=0.0)


def _variant_inputs(request: HttpRequest, variant: Variant, sounds: int) -> tuple[Input, ...]:
    voices = variant.voices[:sounds]
    own = not voices or any(each.url in {None, variant.url} for each in voices)
    inputs = [_input(for_another(request, variant.url), "both" if own else "video")]
    for voice in voices:
        if voice.url not in {None, variant.url}:
            heard = _input(for_another(request, str(voice.url)), "audio")
            inputs.append(
                msgspec.structs.replace(heard, language=three_letters(voice.language), title=voice.name)
            )
    return tuple(inputs)


def _input(request: HttpRequest, kind: str) -> Input:
    return Input(url=request.url, protocol="hls", kind=kind, headers=request.headers, cookies=request.cookies)


def _subtitles(request: HttpRequest, found: Presentation) -> tuple[Subtitle, ...]:
    return tuple(
        Subtitle(
            url=request.url,
            language=each.language,
            format=each.form,
            title=each.title,
            forced=each.forced,
            hearing_impaired=each.hearing_impaired,
            headers=request.headers,
            stretches=each.stretches,
        )
        for each in found.texts
    )


def _stream_input(request: HttpRequest, stream: Stream) -> Input:
    wanted = for_another(request, request.url if stream.url is None else stream.url)
    return Input(
        url=wanted.url,
        protocol="http" if stream.url is not None else "pieces",
        kind=stream.kind,
        headers=wanted.headers,
        cookies=wanted.cookies,
        format_id=stream.name,
        language=three_letters(stream.language),
        recording=None if stream.url is not None else stream.recording,
    )
