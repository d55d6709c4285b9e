"""Real servers for tests, found or started."""
