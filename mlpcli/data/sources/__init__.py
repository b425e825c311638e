"""Sources of rows: files, built-in datasets, synthetic data.

`open` opens what a `dataset` section names, by its kind: `table_source`, `array_source`,
`image_source`, `image_table`, `builtin` or `synthetic`. Each returns a `Source` of `SourceRows`
(`source_rows`): rows as they are written, before labels are encoded and splits are taken.
"""
