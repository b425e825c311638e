"""Results as text, tables and JSON, and progress on the terminal; it computes nothing.

`screen` is the console, which takes text and never markup; `console` shows errors, lines, documents and
numbers; `narrow` has tables and sentences that fit 80 columns.

A file for each command: `check`, `compare` with `significance`, `doctor`, `evaluate` with `group_tables`,
`interval_words` and `worst_rows`, `explain`, `export`, `init`, `inspect` with `inspect_images` and
`drift_lines`, `label_check`, `lr_find`, `more_data`, `note`, `pack`, `predict`, `remove`, `reproduce`,
`run_list` and `runs`, `train` with `live_epochs`, `epoch_table`, `epoch_curve`, `member_table` and
`fitted_predictions`, `tune`. `page` is the HTML page of `report`.
"""
