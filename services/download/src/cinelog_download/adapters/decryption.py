"""AES-128 of HTTP Live Streaming, by pycryptodomex: whole segments, in CBC mode (RFC 8216 4.3.2.4)."""

from typing import Final

from cinelog_common.errors import Category, PermanentError

_BLOCK_BYTES: Final = 16


class Decryption:
    """Decrypts one segment as it arrives."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        """Take a key and an initialization vector of sixteen bytes each.

        Raises:
            PermanentError: DAMAGED: it is no key.
        """
        from Cryptodome.Cipher import AES

        if len(key) != _BLOCK_BYTES:
            raise _broken(f"its key has {len(key)} bytes and not {_BLOCK_BYTES}")
        self._cipher = AES.new(key, AES.MODE_CBC, iv=iv)
        self._kept = b""

    def update(self, data: bytes) -> bytes:
        """Return what `data` decrypts to; the last block so far is kept back, it may be padding."""
        self._kept += data
        ready = max(0, (len(self._kept) - 1) // _BLOCK_BYTES * _BLOCK_BYTES)
        taken, self._kept = self._kept[:ready], self._kept[ready:]
        return self._cipher.decrypt(taken) if taken else b""

    def finish(self) -> bytes:
        """Return the rest, without the padding of PKCS #7.

        Raises:
            PermanentError: DAMAGED: it was cut off, or this is not its key.
        """
        if len(self._kept) != _BLOCK_BYTES:
            raise _broken("an encrypted segment is cut off")
        last = self._cipher.decrypt(self._kept)
        padding = last[-1]
        if not 1 <= padding <= _BLOCK_BYTES or last[-padding:] != bytes((padding,)) * padding:
            raise _broken("a segment cannot be decrypted with the key that the playlist names")
        return last[:-padding]


def _broken(why: str) -> PermanentError:
    return PermanentError(
        f"The source is damaged: {why}.",
        category=Category.DAMAGED,
        action="Check the address, or get the video from elsewhere.",
    )
