"""Files to columns: text tables, Parquet, other files of typed values, databases, NumPy arrays.

`tables` opens a table of any format, and several files as one. Three ways to read are behind it: text
(`delimited`, whole by `delimited_columns` and in blocks by `delimited_stream`; `header`, `line_filter`,
`charset`, `packed`), Parquet (`parquet`, `check_columns`), and all other formats as batches of rows
(`batch_table`, opened by `open_batches`: `json_lines`, `feather`, `spreadsheet`, and `sql` for
databases). Arrays are read by `arrays`. Which files a spec names is found by `find_files`; `partitions` and
`keyed_columns` make columns of their folders `key=value`. What a cell means is in `parse_cells`, how a
file writes it in `dialect` and `notations`, what to do where it writes it otherwise in `other_notation`,
how a message names a row in `row_errors`, and rows that break one rule in `broken_rules`.
"""
