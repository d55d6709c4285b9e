"""How many threads one encode gets."""


def encode_threads(*, cores: int, slots: int, in_hand: int) -> int:
    """Return the threads for the next encode.

    One-thread encodes side by side beat one encode with many threads, so full slots share the cores
    evenly. But a short clip is one unit, and a film's last units are few: those that are there share
    everything.

    Args:
        cores: Cores this worker may use.
        slots: Encodes it runs side by side.
        in_hand: Encodes it has now, this one included.
    """
    return max(1, cores // max(1, min(slots, in_hand)))
