"""Data larger than memory: columns and encoded rows that stay in files, and are read in parts."""
