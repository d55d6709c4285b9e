"""One third-party client or child module a file."""
