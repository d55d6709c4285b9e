"""One third-party client or kind of place a file."""
