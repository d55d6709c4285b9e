"""Any source to playable video: the `cinelog` command."""
