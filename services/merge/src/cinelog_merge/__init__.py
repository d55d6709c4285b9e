"""The ledger of jobs, the live playlist and the joining of segments."""
