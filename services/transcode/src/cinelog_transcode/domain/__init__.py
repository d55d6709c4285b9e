"""What transcode decides: options, cuts, threads, thumbnails, the next quality to try. Pure."""
