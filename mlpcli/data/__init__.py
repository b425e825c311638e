"""Files to rows, columns to numbers, and the splits of a dataset.

To read in this order: `load`, which loads the dataset of a spec, calls all that follows. It opens a source
of rows (`sources`, whose files `readers` reads), takes the splits off them (`splitter`), encodes targets
(`targets`) and columns (`features`), and returns a `Dataset` (`dataset`) with its `Contract`: all that
new rows must be, which a run keeps. New rows for a trained model are read by that contract: `new_rows`.

The folders:

- `readers`: files to tables, whose columns are PyArrow's, and to arrays.
- `sources`: what a `dataset` section names, as rows with targets: tables, arrays, images, built-in datasets.
- `features`: columns of a table to the numbers that the network reads.
- `images`: image files to pixels.
- `stored`: the same rows where they stay in files, with `fit.memory`.
- `inspect`: what there is before a spec: surveys of files, and the spec that `init` proposes.

The modules beside them:

- A dataset: `load` (what the network wants of it: `request`), `dataset`, `row_keeper`,
  `fingerprint`, `columns` (of named inputs),
  `named_arrays`, `image_blocks` (of an image column), `types`; its contract read back:
  `contract_form`, and of several models: `stacked_contract`;
  the columns of a table that it needs: `contract_columns`; what its inputs hold: `input_contents`.
- Before it is loaded: `handed_in`, with `frames` and `mappings` (data of a Python program; what is no
  column: `column_contents`), `first_look`, `moves`.
- Splits: `splitter` calls `splits`, `random_split`, `split_by_column`, `split_columns`,
  `group_split`; other ways to divide rows: `folds`, `nested_rows`, `value_groups`; what may be
  wrong with them: `leakage`, `equal_rows`, `unseen_classes`.
- Targets: `targets`, `target_keys`, `labels`, `label_keys`, `positive_class`, `sequences`,
  `step_targets`, `weights`, `scaling`, `quantiles` (of columns too), `levels`, `lost_digits`; what is
  fitted to turn outputs into predictions: `fitted_outputs`, `interval_curve`.
- New rows: `new_rows`, `stream` (in chunks, for predictions), `rows` (with targets, at once),
  `given_rows` (of a request), `id_rows` (whole numbers), `new_notation` (of their numbers);
  chunks of another size: `narrow_blocks`, `regroup`; what is wrong in all chunks: `refused_rows`;
  predictions to files: `writers`, `formats`.
- Rows as a person knows them: `raw_columns`, `shown_columns`, `column_values`, `row_names`,
  `written_targets`.
"""
