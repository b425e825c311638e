"""Files to rows, columns to numbers, and the splits of a dataset."""
