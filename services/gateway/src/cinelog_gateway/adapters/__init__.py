"""One third-party client, or one port, a file."""
