"""What storage decides: names, the poster, the sprite sheet. Pure."""
