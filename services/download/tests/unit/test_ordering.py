"""When pictures are shown whose container only tells when to decode them."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from cinelog_download.children.demuxing import as_packet
from cinelog_download.children.ordering import PresentationOrder
from cinelog_fastio import DISCARD, Packet, StreamParameters
from msgspec.structs import replace


def packets_of(path: Path) -> tuple[list[Packet], StreamParameters]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1)
        parameters = StreamParameters(
            codec="mpeg4", extradata=stream.codec_context.extradata or b"", time_base=base.as_integer_ratio()
        )
        return [as_packet(packet) for packet in container.demux(stream) if packet.size], parameters


def test_the_first_picture_is_shown_when_a_decoder_gives_it_out(films: Any, media: Any) -> None:
    film = media.Film(codec="mpeg4", options={"bf": "2"}, audio="libmp3lame")
    path = films.make("delayed.avi", film)
    packets, parameters = packets_of(path)
    order = PresentationOrder(parameters, 1)

    shown = [packet.pts for each in packets for packet in order.add(each)]
    shown += [packet.pts for packet in order.finish()]

    # Of pictures that refer to later ones a decoder gives out each one packet late.
    assert sorted(shown) == [packet.dts + 1 for packet in packets if packet.dts is not None]


def test_a_broken_picture_keeps_its_place(films: Any, media: Any) -> None:
    film = media.Film(codec="mpeg4", options={"bf": "0"}, audio="libmp3lame")
    packets, parameters = packets_of(films.make("broken.avi", film))
    packets[7] = replace(packets[7], data=b"\xff" * 60)
    order = PresentationOrder(parameters, 1)

    found = [packet for each in packets for packet in order.add(each)] + order.finish()

    assert sorted(packet.pts or 0 for packet in found) == [packet.dts for packet in packets]
    assert not any(packet.flags & DISCARD for packet in found)
