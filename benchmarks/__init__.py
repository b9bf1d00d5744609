"""What duly and its peers do, measured; see README.md."""
