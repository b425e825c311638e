"""Results as text, tables and JSON; progress on the terminal."""
