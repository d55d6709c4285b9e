"""The end of the live playlists: a run that has ended makes no more segments, and players must not wait.

A playlist without its end is asked for again every few seconds, for as long as somebody watches
(RFC 8216, 6.3.4). Whoever lets playlists grow and whoever ends the run both close them, each after
its own write: whichever comes last sees what the other one did.
"""

from cinelog_common.cmaf.playlists import closed
from cinelog_common.contract import keys
from cinelog_common.objects.errors import ConflictError, ObjectMissingError
from cinelog_common.objects.ports import ObjectStore


async def close_playlists(objects: ObjectStore, job: str, run: int) -> int:
    """Let every live playlist of the run end where it is; return how many did not before.

    Raises:
        TransientError: The store does not answer.
    """
    listed = [info.key async for info in objects.list(keys.live_prefix(job, run))]
    return sum([await _close(objects, key) for key in listed])


async def _close(objects: ObjectStore, key: str) -> bool:
    while True:
        try:
            current = await objects.read(key)
        except ObjectMissingError:
            return False  # the job was deleted meanwhile
        text = current.data.decode("utf-8", "replace")
        ending = closed(text)
        if ending == text:
            return False
        try:
            await objects.replace(key, ending.encode(), if_match=current.info.etag)
        except ConflictError:
            continue  # it grew meanwhile: look again
        return True
