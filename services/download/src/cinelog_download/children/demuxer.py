"""The child process that demuxes: `python -m cinelog_download.children.demuxer`, killable at any moment."""

import errno

import msgspec
from cinelog_common.child_channel import Channel
from cinelog_common.errors import Category, CinelogError, TransientError

from cinelog_download.domain.demuxing import DemuxOrder, Extent, Needed, Refused, Told, encode


def main(channel: Channel | None = None) -> None:
    """Serve one order after another until the parent closes its end."""
    # Imported before the first order comes, so that a child that waits is ready to work.
    import av

    from cinelog_download.children import refusals
    from cinelog_download.children.demuxing import Demuxing

    channel = channel or Channel()

    def tell(told: Told) -> None:
        channel.send(encode(told))

    def ask(needed: Needed) -> Extent:
        tell(needed)
        answer = channel.receive()
        if answer is None:
            raise SystemExit(0)
        return msgspec.msgpack.decode(answer, type=Extent)

    while (frame := channel.receive()) is not None:
        order = msgspec.msgpack.decode(frame, type=DemuxOrder)
        try:
            Demuxing(order, ask, tell).run()
        except CinelogError as error:
            tell(_refused(error))
        except av.error.FFmpegError as error:
            tell(_refused(refusals.damaged(f"it cannot be taken apart ({error.strerror or error})")))
        except OSError as error:
            tell(_disk_failed(error))


def _refused(error: CinelogError) -> Refused:
    return Refused(
        category=error.category,
        message=error.message,
        action=error.action,
        transient=isinstance(error, TransientError),
    )


def _disk_failed(error: OSError) -> Refused:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return Refused(
        category=Category.NO_SPACE if full else Category.DEPENDENCY,
        message="The scratch disk is full." if full else f"The scratch disk fails: {error.strerror}.",
        action="Free some space where the worker keeps its scratch files.",
        transient=True,
    )


if __name__ == "__main__":
    main()
