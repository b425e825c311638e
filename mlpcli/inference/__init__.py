"""What commands compute from finished runs: evaluate, predict, explain, compare, check labels, find drift.

`evaluate`: `evaluate`, of rows that `rows_to_evaluate` and `own_data` find; `training_rows` among those
of a file; `class_intervals`, `quantile_scores`; `evaluation_figures`, with `written_cells`;
`written_rows`.
With `--by`: `wanted_groups` (what the names mean), `named_groups` (the rows), `evaluate_groups`
(their metrics), `group_figures`.

`predict`: `predict`. With `--explain`: `explain_chunks`, by `attributions` of `column_groups` to the
`explained_values`, written by `attribution_columns`; of images `explain_images`, by `saliency`.

`explain`: `explain` of columns, `explain_images` of images.

`compare`: `differences`, those of the models (`compare`, on `common_rows` or `file_rows`) and of the settings
(`compare_settings`, on `held_out_rows`); `score_groups`; `row_values` says what each row adds to a
metric.

`label-check`: `label_check`, of `given_labels` (from `out_of_fold.csv`, by `out_of_fold_checks`), ranked
by `label_ranking`, with the cells of `checked_rows`, written by `write_doubts`.

`inspect --against`: `inspect_drift`, by `column_drift`, `text_drift` and `image_drift`; `contract_drift`
where the training rows are gone; `tell_apart` of all columns together.

`export`: `export` and `export_docker`, with `export_rows` to compare and `quantized_scores`.

`named_in_options` checks, before TensorFlow is imported, what options name: columns, classes, metrics.
`row_columns` reads the raw columns of rows for those that need them.
"""
