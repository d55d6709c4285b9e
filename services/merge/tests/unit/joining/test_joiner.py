"""The joiner's own work, on real fragments: nothing is joined that is not what its sidecar says."""

from collections.abc import Callable
from pathlib import Path

import av
import msgspec
import pytest
from cinelog_common.contract.sidecars import Cue, CueSheet, encode_document
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_merge.children import joiner
from cinelog_merge.joining_testing import Footage, a_part, clicks
from cinelog_merge.ports import JoinAnswer, JoinFile, JoinOrder, JoinPart, JoinText
from msgspec.structs import replace


@pytest.fixture
def order(tmp_path: Path, film: Footage, sound: Footage) -> JoinOrder:
    parts = (a_part(tmp_path, film, "video"), a_part(tmp_path, sound, "audio"))
    return JoinOrder(
        folder=str(tmp_path), parts=parts, files=(JoinFile(name="video.mp4", kind="mp4"),), title="A film"
    )


@pytest.mark.parametrize("verify", ["seams", "full"])
def test_a_film_is_joined_frame_by_frame(order: JoinOrder, verify: str) -> None:
    (joined,) = joiner.join(replace(order, verify=verify))

    assert (joined.width, joined.height, joined.frames) == (160, 96, 60)
    assert joined.duration_s == pytest.approx(2.4)
    with av.open(str(Path(order.folder) / "video.mp4")) as made:
        assert made.metadata["title"] == "A film"
        assert sum(1 for _ in made.decode(video=0)) == 60
        heard = made.streams.audio[0]
        assert heard.duration is not None
        assert heard.time_base is not None
        assert float(heard.duration * heard.time_base) == pytest.approx(2.4, abs=0.03)


def test_the_sound_ends_where_it_ended_and_not_with_the_encoders_filling(
    tmp_path: Path, film: Footage
) -> None:
    sound = clicks(seconds=2.4)
    last = sound.sidecars[-1]
    cut = replace(last, parts=(replace(last.parts[0], end=last.parts[0].end - 500),))
    parts = (
        a_part(tmp_path, film, "video"),
        a_part(tmp_path, replace(sound, sidecars=[*sound.sidecars[:-1], cut]), "audio"),
    )

    plan = joiner.plan_join([joiner._track(part) for part in parts])

    assert plan.tracks[1].presented == cut.parts[0].end
    assert plan.tracks[1].duration - plan.tracks[1].header.media_time == cut.parts[0].end + 500


def test_two_containers_are_made_of_one_join(order: JoinOrder) -> None:
    files = (JoinFile(name="video.mp4", kind="mp4"), JoinFile(name="again.mp4", kind="mp4"))

    with pytest.raises(CinelogError):
        joiner.join(replace(order, files=files))


def test_an_order_without_files_only_looks(order: JoinOrder) -> None:
    assert joiner.join(replace(order, files=())) == []
    assert joiner.join(replace(order, files=(), verify="full")) == []
    assert list(Path(order.folder).glob("*.mp4")) == []


def _part(order: JoinOrder, index: int, change: Callable[[JoinPart], JoinPart]) -> JoinOrder:
    parts = list(order.parts)
    parts[index] = change(parts[index])
    return replace(order, parts=tuple(parts))


def _bumped(values: tuple[int, ...], at: int, by: int) -> tuple[int, ...]:
    return (*values[:at], values[at] + by, *values[at + 1 :])


@pytest.mark.parametrize("index", [0, 1], ids=["picture", "sound"])
@pytest.mark.parametrize(
    "change",
    [
        lambda part: replace(part, checksums=_bumped(part.checksums, 1, 1)),
        lambda part: replace(part, samples=_bumped(part.samples, 1, 1)),
        lambda part: replace(part, starts=_bumped(part.starts, 1, 1)),
        lambda part: replace(part, starts=_bumped(part.starts, 2, -1)),
        lambda part: replace(part, ends=_bumped(part.ends, 2, 1)),
        lambda part: replace(part, init_hashes=(*part.init_hashes[:2], "0123456789abcdef")),
        lambda part: replace(part, fragments=(part.fragments[0], part.fragments[2], part.fragments[1])),
    ],
    ids=["bytes", "samples", "start", "seam", "end", "init", "order"],
)
def test_what_is_not_as_its_sidecar_says_is_refused_and_leaves_no_file(
    order: JoinOrder, index: int, change: Callable[[JoinPart], JoinPart]
) -> None:
    with pytest.raises(PermanentError) as raised:
        joiner.join(_part(order, index, change))

    assert raised.value.action
    assert not (Path(order.folder) / "video.mp4").exists()


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"garbage" * 1000], ids=["empty", "zeros", "noise"])
@pytest.mark.parametrize("what", ["init", "fragment"])
@pytest.mark.parametrize("index", [0, 1], ids=["picture", "sound"])
def test_hostile_bytes_are_an_error_and_no_crash(
    order: JoinOrder, data: bytes, what: str, index: int
) -> None:
    part = order.parts[index]
    Path(part.init if what == "init" else part.fragments[-1]).write_bytes(data)
    unchecked = _part(order, index, lambda own: replace(own, checksums=(0, 0, 0)))

    with pytest.raises(PermanentError):
        joiner.join(unchecked)


def test_the_bytes_of_a_film_are_checked_while_they_are_copied(
    order: JoinOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_again(path: Path) -> int:
        raise AssertionError(f"{path.name} is read twice")

    monkeypatch.setattr(joiner, "checksum_file", read_again)

    assert len(joiner.join(order)) == 1
    with pytest.raises(PermanentError, match="is not what its sidecar describes"):
        joiner.join(_part(order, 0, lambda part: replace(part, checksums=_bumped(part.checksums, 1, 1))))


@pytest.mark.parametrize("at", [0, 0.2, -1], ids=["box", "index", "payload"])
@pytest.mark.parametrize("files", [True, False], ids=["joined", "looked-at"])
def test_damage_of_the_store_is_told_as_such_wherever_it_lies(
    order: JoinOrder, at: float, *, files: bool
) -> None:
    path = Path(order.parts[0].fragments[1])
    data = bytearray(path.read_bytes())
    data[at if isinstance(at, int) else int(at * data.index(b"mdat"))] ^= 0x10
    path.write_bytes(data)

    with pytest.raises(PermanentError, match=f"{path.name} is not what its sidecar describes") as raised:
        joiner.join(order if files else replace(order, files=()))

    assert raised.value.category is Category.DAMAGED
    assert list(Path(order.folder).glob("*.mp4")) == []


def test_a_fragment_that_is_gone_may_come_back(order: JoinOrder) -> None:
    Path(order.parts[0].fragments[1]).unlink()

    with pytest.raises(TransientError):
        joiner.join(order)


def test_an_answer_says_whether_to_try_again(order: JoinOrder) -> None:
    Path(order.parts[0].fragments[1]).unlink()
    answers: list[bytes] = []

    joiner.handle(msgspec.json.encode(order), answers.append)

    answer = msgspec.json.decode(answers[0], type=JoinAnswer)
    assert answer.failure is not None
    assert answer.transient
    assert answer.failure.category == Category.DEPENDENCY


def test_subtitles_last_as_long_as_the_picture_and_leave_it_as_it_is(order: JoinOrder) -> None:
    folder = Path(order.folder)
    cues = (Cue(start_ms=500, end_ms=1500, text="<b>one</b>"), Cue(start_ms=1500, end_ms=2400, text="two"))
    texts = []
    for language in ("eng", "deu"):
        (folder / f"{language}.json").write_bytes(encode_document(CueSheet(cues=cues)))
        texts.append(
            JoinText(cues=str(folder / f"{language}.json"), language=language, shown=language == "deu")
        )

    (joined,) = joiner.join(replace(order, texts=tuple(texts), verify="full"))

    assert joined.duration_s == pytest.approx(2.4)
    with av.open(str(folder / "video.mp4")) as made:
        assert sum(1 for _ in made.decode(video=0)) == 60
        english, german = made.streams.subtitles
        assert (english.language, german.language) == ("eng", "deu")
        assert [bool(one.disposition & 1) for one in (english, german)] == [False, True]
        made.seek(0)
        samples = [
            (packet.pts, packet.duration, bytes(packet)[2:5]) for packet in made.demux(english) if packet.size
        ]
    assert samples == [(0, 500, b""), (500, 1000, b"one"), (1500, 900, b"two")]
