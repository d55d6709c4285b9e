"""Lets the live playlists grow: the only mutable objects there are, and they only ever get longer."""

from collections.abc import Callable

from cinelog_common.cmaf.playlists import PlaylistError, write_media_playlist, write_multivariant_playlist
from cinelog_common.contract import keys
from cinelog_common.contract.commands import ExtendPlaylist
from cinelog_common.contract.events import PlaylistExtended
from cinelog_common.live import close_playlists
from cinelog_common.objects.errors import ConflictError, ObjectMissingError
from cinelog_common.objects.ports import ObjectStore

from cinelog_merge.domain.breaking import breaks_of, broken, in_step
from cinelog_merge.domain.growth import Growth, longer_master, longer_media
from cinelog_merge.domain.presentation import (
    MASTER,
    media_playlist,
    multivariant,
    present,
    shown_recipe,
    strands,
    target_duration,
)
from cinelog_merge.handlers.library import Library
from cinelog_merge.ports import Announcer


class PlaylistExtender:
    """Carries out `ExtendPlaylist`."""

    def __init__(self, objects: ObjectStore, library: Library, announcer: Announcer) -> None:
        self._objects = objects
        self._library = library
        self._announcer = announcer

    async def __call__(self, command: ExtendPlaylist) -> None:
        """Let the live playlists reach as far as the command says, never less far than they do.

        Raises:
            TransientError: A piece is missing or the store does not answer.
            PermanentError: The segments break a rule that players rely on.
        """
        job, run = command.job, command.run
        base = keys.live_prefix(job, run)
        chosen = strands(command.recipe, command.tracks)
        pieces = await self._library.pieces(chosen, command.extent, job=job, run=run)
        if not command.ended:
            pieces = in_step(chosen, pieces)
        breaks = breaks_of(chosen, pieces)
        target = target_duration(command.max_segment_s, pieces, final=False)
        # Media playlists first: what the multivariant one lists is there.
        for name, own in pieces.items():
            playlist = media_playlist(own, base=base, target=target, ended=command.ended)
            text = write_media_playlist(broken(playlist, own, breaks))
            await self._lengthen(f"{base}{name}.m3u8", text, longer_media)
        if pieces:
            codecs = await self._library.codecs(pieces)
            master = multivariant(
                shown_recipe(command.recipe, codecs), present(command.tracks, codecs), pieces, codecs=codecs
            )
            await self._lengthen(base + MASTER, write_multivariant_playlist(master), longer_master)
        if await self._objects.head(keys.manifest(job, run)) is not None:
            # The run ended while this was under way: whoever ended it may have looked before we wrote.
            await close_playlists(self._objects, job, run)
        await self._announcer.announce(
            PlaylistExtended(
                job=job,
                run=run,
                attempt=command.attempt,
                version=command.version,
                units=command.extent.units,
                tracks=command.extent.tracks,
                key=base + MASTER,
                ended=command.ended,
            )
        )

    async def _lengthen(self, key: str, text: str, judge: Callable[[str, str], Growth]) -> None:
        """Put `text` in place of what it extends; what is already as long stays.

        Raises:
            PlaylistError: It contradicts what players have been told.
        """
        while True:
            try:
                current = await self._objects.read(key)
            except ObjectMissingError:
                current = None
            if current is not None:
                match judge(current.data.decode("utf-8", "replace"), text):
                    case Growth.OLDER | Growth.CLOSED:
                        return
                    case Growth.OTHER:
                        raise PlaylistError(f"{key} would change where it may only grow.")
            try:
                etag = current.info.etag if current is not None else None
                await self._objects.replace(key, text.encode(), if_match=etag)
            except ConflictError:
                continue  # somebody else was quicker: look again
            return
