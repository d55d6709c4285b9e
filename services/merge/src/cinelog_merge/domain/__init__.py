"""The ledger's rules: pure functions over the state of one job."""
