"""When pictures are shown whose container only tells when to decode them."""

from fractions import Fraction
from typing import Any

import av
from cinelog_download.children.demuxing import as_packet
from cinelog_download.children.ordering import PresentationOrder
from cinelog_fastio import StreamParameters


def test_the_first_picture_is_shown_when_a_decoder_gives_it_out(films: Any, media: Any) -> None:
    film = media.Film(codec="mpeg4", options={"bf": "2"}, audio="libmp3lame")
    path = films.make("delayed.avi", film)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [as_packet(packet) for packet in container.demux(stream) if packet.size]
        base = stream.time_base or Fraction(1)
        parameters = StreamParameters(
            codec="mpeg4", extradata=stream.codec_context.extradata or b"", time_base=base.as_integer_ratio()
        )
    order = PresentationOrder(parameters, 1)

    shown = [packet.pts for each in packets for packet in order.add(each)]
    shown += [packet.pts for packet in order.finish()]

    # Of pictures that refer to later ones a decoder gives out each one packet late.
    assert sorted(shown) == [packet.dts + 1 for packet in packets if packet.dts is not None]
