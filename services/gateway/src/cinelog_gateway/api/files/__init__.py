"""The objects of jobs: playlists, segments and results."""
