"""CMAF and MP4: the joins between segments, so that independently encoded pieces play as one film.

Pure: bytes in, bytes out. Only `inits`, `decoding` and `webm` need PyAV, and only killable child
processes import those; everything else here runs in any process at once.

References are to ISO/IEC 14496-12:2022 (ISO base media file format), 14496-14, 14496-15,
23000-19 (CMAF) and RFC 8216 (HLS).
"""
