"""From files to arrays: readers, columns, encoders, splits, folds, synthetic data, `inspect` and `init`."""
