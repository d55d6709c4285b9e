"""Object keys: one rule for all stores, so that what works in one works in the other."""

from cinelog_common.objects.errors import BadKeyError

MAX_KEY_BYTES = 900
"""S3 allows 1024; a configured prefix has to fit as well."""

MAX_PART_BYTES = 200
"""File systems allow 255 bytes between two slashes."""


def checked(key: str) -> str:
    """Return `key` if it is relative, printable, and stays below its root on every system.

    Raises:
        BadKeyError: It is not.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise BadKeyError(key, "it is not Unicode text") from error
    if size > MAX_KEY_BYTES:
        raise BadKeyError(key, f"it is longer than {MAX_KEY_BYTES} bytes")
    for part in key.split("/"):
        _check(part, key)
    return key


def checked_prefix(prefix: str) -> str:
    """Return `prefix` if it names a folder of keys: a sound key and a slash.

    Raises:
        BadKeyError: It does not; without the slash `jobs/1` would reach `jobs/10` too.
    """
    if not prefix.endswith("/"):
        raise BadKeyError(prefix, "a prefix ends with a slash")
    checked(prefix[:-1])
    return prefix


def _check(part: str, key: str) -> None:
    if not part:
        raise BadKeyError(key, "it has an empty part")
    # A leading dot also keeps the folder store's own files out of reach.
    if part.startswith("."):
        raise BadKeyError(key, "a part begins with a dot")
    if "\\" in part or not part.isprintable():
        raise BadKeyError(key, "it has a backslash or a character that cannot be printed")
    if len(part.encode()) > MAX_PART_BYTES:
        raise BadKeyError(key, f"a part is longer than {MAX_PART_BYTES} bytes")
