"""Subtitles: cues on the job's timeline, as WebVTT and as samples of 3GPP timed text. Pure."""
