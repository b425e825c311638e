"""Image files: find them in folders, decode them, keep what was decoded."""
