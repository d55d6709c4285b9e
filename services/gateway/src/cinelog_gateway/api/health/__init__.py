"""Whether the gateway lives, can work, and what it has counted."""
