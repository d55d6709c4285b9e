"""Reads fields of single bits out of codec headers; never past their end."""

from cinelog_common.cmaf.boxes import BoxError


class BitReader:
    """Most significant bit first, as H.264 7.2, H.265 7.2 and AV1 4.10 read."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def bits(self, count: int) -> int:
        """The next `count` bits as an unsigned number.

        Raises:
            BoxError: The header ends before.
        """
        if count > self._left:
            raise BoxError("a codec header ends early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.bits(1) == 1

    def exp_golomb(self) -> int:
        """The next ue(v) (H.264 9.1)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise BoxError("a codec header holds a number of more than 32 bits")
        return (1 << zeros) - 1 + self.bits(zeros)
