"""The object store: bytes under keys, in a folder or in S3.

Objects are created once: of several writers of one key the first wins, and
all learn of it. Only live playlists are replaced, and only against the
version their writer has read.
"""
