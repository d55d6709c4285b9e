"""Jobs: submit, show, list, cancel, retry, and their news over a WebSocket."""
