"""Joins fragments into files and checks the result, in a process that may be killed.

Run as `python -m cinelog_merge.children.joiner`: one JSON order in, one JSON answer out.
"""

from fractions import Fraction
from pathlib import Path

import msgspec
from cinelog_common.child_channel import Send, serve
from cinelog_common.cmaf.checking import check_join, seams_of
from cinelog_common.cmaf.initinfo import init_info
from cinelog_common.cmaf.joining import (
    JoinReport,
    JoinTags,
    JoinTrack,
    duration_of,
    plan_join,
    unlike_its_sidecar,
    write_join,
)
from cinelog_common.cmaf.joinplan import JoinError, JoinPlan
from cinelog_common.contract.values import Failure
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.objects.errors import of_the_system
from cinelog_fastio import checksum_file
from msgspec.structs import replace

from cinelog_merge.children.plans import picture_plans, sound_plans
from cinelog_merge.children.texts import Screen, chapter_track, text_track
from cinelog_merge.domain.naming import marks, told_tags
from cinelog_merge.ports import JoinAnswer, Joined, JoinFile, JoinOrder, JoinPart

_SOUND_FILES = (".mp3", ".opus")


def handle(payload: bytes, send: Send) -> None:
    """Answer one order."""
    order = msgspec.json.decode(payload, type=JoinOrder)
    try:
        answer = JoinAnswer(joined=tuple(join(order)))
    except CinelogError as error:
        failure = Failure(category=error.category, message=error.message, action=error.action)
        answer = JoinAnswer(failure=failure, transient=isinstance(error, TransientError))
    send(msgspec.json.encode(answer))


def join(order: JoinOrder) -> list[Joined]:
    """Make every file of `order`; without files, see whether they could be made.

    Raises:
        TransientError: A fragment is not there, or the disk fails.
        PermanentError: The fragments do not fit together, or the result is not what was planned.
    """
    try:
        return _join(order)
    except FileNotFoundError as error:
        name = Path(error.filename or "a file").name
        raise TransientError(f"{name} is not there.", category=Category.DEPENDENCY) from error
    except OSError as error:
        raise of_the_system(error, f"cannot join in {order.folder}") from error


def _join(order: JoinOrder) -> list[Joined]:
    folder = Path(order.folder)
    tracks, plan = _planned(order)
    if not order.files and order.verify != "full":
        _check_bytes(order)
        return []
    tags = _tags(order, duration_of(plan))
    more = _text_tracks(order, plan)
    if tags.chapters:
        more.append(chapter_track(tags.chapters, duration_of(plan), folder))
    if more:
        plan = plan_join([*tracks, *more])
    base = folder / "joined.mp4"
    report = write_join(plan, base, tags, checksums=_checksums(order))
    check_join(base, plan, every_byte=order.verify == "full")
    if any(part.kind == "video" for part in order.parts):
        _look(base, plan, verify=order.verify, expected=_frames(order))
    made = [_finished(order, file, base, report) for file in _copies_last(order.files)]
    base.unlink(missing_ok=True)
    return made


def _planned(order: JoinOrder) -> tuple[list[JoinTrack], JoinPlan]:
    """Work out the film from the fragments' heads; their bytes are checked when they are copied."""
    try:
        tracks = [_track(part) for part in order.parts]
        return tracks, plan_join(tracks)
    except JoinError:
        # Heads that do not fit may be damage of the store, or gone: that comes first, for it says what to do.
        _check_bytes(order)
        raise


def _text_tracks(order: JoinOrder, plan: JoinPlan) -> list[JoinTrack]:
    """Return the subtitles, timed to the picture's end."""
    picture = next((part for part in order.parts if part.kind == "video"), None)
    if picture is None or not order.texts:
        return []
    info = init_info(Path(picture.init).read_bytes())
    [shown] = [track for track in plan.tracks if track.header.handler == b"vide"]
    end = Fraction(shown.start + shown.presented, shown.header.timescale)
    screen = Screen(width=info.width, height=info.height, end_ms=int(end * 1000))
    return [text_track(text, screen, Path(order.folder)) for text in order.texts]


def _copies_last(files: tuple[JoinFile, ...]) -> list[JoinFile]:
    """Put what is remuxed first: the joined file itself is renamed into the last one."""
    return sorted(files, key=lambda file: not file.name.endswith((".webm", *_SOUND_FILES)))


def _finished(order: JoinOrder, file: JoinFile, base: Path, report: JoinReport) -> Joined:
    path = Path(order.folder) / file.name
    if path.suffix == ".webm":
        from cinelog_common.cmaf.webm import remux

        remux(base, path)
    elif path.suffix in _SOUND_FILES:
        from cinelog_common.cmaf.soundfiles import write_sound

        write_sound(base, path, cover=_cover(order))
    else:
        base.rename(path)
    picture = next((part for part in order.parts if part.kind == "video"), None)
    info = init_info(Path(picture.init).read_bytes()) if picture else None
    return Joined(
        name=file.name,
        kind=file.kind,
        size_bytes=path.stat().st_size,
        duration_s=round(report.duration_s, 6),
        width=info.width if info else None,
        height=info.height if info else None,
        frames=_frames(order) if picture else None,
    )


def _frames(order: JoinOrder) -> int:
    return sum(sum(part.samples) for part in order.parts if part.kind == "video")


def _track(part: JoinPart) -> JoinTrack:
    init = Path(part.init).read_bytes()
    fragments = [Path(name) for name in part.fragments]
    plans = picture_plans(part) if part.kind == "video" else sound_plans(part, init, fragments)
    return JoinTrack(
        init=init,
        fragments=fragments,
        kind=part.kind,
        language=part.language,
        presented=None if part.kind == "video" else part.ends[-1] - part.starts[0],
        expected=plans,
    )


def _checksums(order: JoinOrder) -> dict[Path, int]:
    """Return the checksum that each fragment's sidecar gives; 0 is none."""
    return {
        Path(name): wanted
        for part in order.parts
        for name, wanted in zip(part.fragments, part.checksums, strict=True)
        if wanted
    }


def _check_bytes(order: JoinOrder) -> None:
    for path, wanted in _checksums(order).items():
        if checksum_file(path) != wanted:
            raise unlike_its_sidecar(path)


def _look(path: Path, plan: JoinPlan, *, verify: str, expected: int) -> None:
    """Decode the result, at its seams or as a whole."""
    from cinelog_common.cmaf.decoding import decode_all, decode_seams

    if verify == "full":
        film = decode_all(path)
        if len(film.pts) != expected or film.damaged:
            raise PermanentError(
                f"The joined file shows {len(film.pts)} of {expected} frames, {film.damaged} damaged.",
                category=Category.INTERNAL,
                action="Retry the job; if it fails again, report it.",
            )
        return
    problems = decode_seams(path, seams_of(plan))
    if problems:
        first = problems[0]
        raise PermanentError(
            f"The joined file is wrong at {len(problems)} seams, first at {first.segment}: {first.message}",
            category=Category.INTERNAL,
            action="Retry the job; if it fails again, report it.",
        )


def _tags(order: JoinOrder, duration_s: float) -> JoinTags:
    told = told_tags(order.tags)
    told["title"] = order.title or told.get("title", "")
    return replace(JoinTags(chapters=marks(order.chapters, duration_s), cover=_cover(order)), **told)


def _cover(order: JoinOrder) -> bytes:
    """Return the picture for the result; nothing if it is none, for it never keeps a film from its end."""
    if order.cover is None:
        return b""
    from cinelog_common.cmaf.soundfiles import is_picture

    data = Path(order.cover).read_bytes()
    return data if is_picture(data) else b""


if __name__ == "__main__":
    serve(handle)
