"""A spec as a standalone Keras script.

`script` puts it together: `data_obstacles` says what cannot be written; `read_data` with `read_files`,
`read_arrays`, `encode_columns` and `split_code`, `network_code`, `training_code`. `cells` is copied into
scripts.
They write Keras objects by `keras_calls`, texts by `source_text`, names of layers by `names`; `extract`
copies what the script needs of our own source.
"""
