"""How many threads one encode gets."""


def encode_threads(*, cores: int, slots: int, in_hand: int) -> int:
    """Return the threads for the next encode.

    One-thread encodes side by side beat one encode with many threads, so slots share the cores
    evenly. But a short clip is one unit, and the last units of a film end alone: whoever is alone
    takes everything.

    Args:
        cores: Cores this worker may use.
        slots: Encodes it runs side by side.
        in_hand: Encodes it has now, this one included.
    """
    return max(1, cores) if in_hand <= 1 else max(1, cores // max(1, slots))
