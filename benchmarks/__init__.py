"""Speed, memory and quality, measured on real networks and photos; see README.md."""
