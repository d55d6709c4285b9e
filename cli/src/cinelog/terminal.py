"""Text of strangers on a terminal: titles and messages may hold what moves the cursor."""


def plain(text: str) -> str:
    """Return `text` with everything that is not printable replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
