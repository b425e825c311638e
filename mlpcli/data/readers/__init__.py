"""Files to columns: delimited text, Parquet, NumPy arrays."""
