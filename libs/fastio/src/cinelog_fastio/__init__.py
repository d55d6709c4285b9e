"""Chunk and packet I/O for Cinelog."""
