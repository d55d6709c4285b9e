"""What every Cinelog service shares: contract, work queue, stores, observability."""
