"""Languages as MP4 spells them: the table is in the library, since playlists are written from it too."""

from cinelog_common.languages import three_letters

__all__ = ["three_letters"]
