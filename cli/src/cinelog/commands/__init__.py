"""One module a subcommand; each holds one click command named `command`."""
