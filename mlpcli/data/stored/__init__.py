"""Data larger than memory: columns and encoded rows that stay in files, and are read in parts.

`load_stored` loads a dataset with `fit.memory`: raw columns become files (`table_store`, read by
`stored_column`), then the encoded rows of each split do (`kept_splits`, read by `stored_array`), in
a folder that is found again by the content of the data (`cached_dataset`).
"""
