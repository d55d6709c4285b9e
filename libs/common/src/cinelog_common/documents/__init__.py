"""The document store: JSON documents in named collections, in an SQLite file or in MongoDB."""
