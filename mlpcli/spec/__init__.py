"""YAML text to a frozen spec, with the place of each value.

`load` is the whole way. The text: `yaml_nodes` (PyYAML's events), `yaml_reader` (nodes to `values` with
their places), `yaml_mistakes` (what was meant where it is no YAML), `extends`, and for `--set` `overrides`
with `override_paths`. What a search may change: `hyperparameters` finds it, `search_space` holds it,
`substitution` puts values in its place.

`validate` then checks all, and finds every problem. Our own keys by models: `schema`, and of its sections
`features`, `text_keys`, `image_keys`, `split_forms`, `fit_section`, `predictions`; `section` is their base,
`tuner_arguments` asks Keras Tuner. Rules between keys: `fold_rules`, `memory_size`, `synthetic`,
`dataset_names`, `log_name_rules`. The
network: `layer_graph`, `member_axis`. Keras's names and arguments: `components`, by the tables of
`component_rules`, `optimizer_keys` and `extended_classes`. What an argument's value must be:
`argument_rules`, with `layer_rules`, `callback_rules`, `schedule_lengths`, made of `value_rules` and
`number_rules`; what two arguments must be together: `argument_relations`.

What Keras has is read from its source and not imported: `keras_source`, `keras_signatures`, `keras_roles`,
`argument_types`; `keras_effects` judges which classes could run code. `plugins` reads plug-in files alike.

What a person meant by a mistake: `other_names` (words of other libraries), `component_forms`,
`argument_forms`, `key_forms`, `number_texts`, `python_calls`; `yaml_line` writes the correction.

From a spec: `completed` (with loss and metrics), `repeats` (its folds and seeds), `resolve` (every
default), `locations` and `file_words` (its files), `edit_spec` and `write_learning_rate` (its text,
changed), `json_schema` (for editors), `meanings` (what each key means).
"""
