"""One third-party client a file."""
