"""The command line and mlpcli in Python: help, names that are nearly right, signals, start-up, the API."""
