"""Real servers for tests: found, started in containers, or started natively.

Nothing here is part of the product. `servers` has the context managers,
`plugin` the pytest fixtures, `prefetch` downloads everything beforehand.
"""
