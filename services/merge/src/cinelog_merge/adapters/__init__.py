"""Third-party clients of the merge service, each behind its one door."""
