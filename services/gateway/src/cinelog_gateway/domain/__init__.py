"""What the gateway decides: pure, synchronous, without a client or a clock."""
