"""What crosses between services: events, commands, topics and object keys."""
