"""From a checked spec to a finished run: session, callbacks, checkpoints, resume.

Where to begin:

- `start`: a new run, or one that is resumed, whether its spec is trained once or several times (`repeated/`).
- `prepare`: spec, data (`find_data`) and compiled model, checked against each other before anything is
  written.
- `session`: one training, as a `job` describes it: begin (`run_record`), fit, finish; `run.json` says how it
  ended, however it did (`ending`, `divergence`, `disk_space`, `time_limit`).
- `fit`: the epochs on an `engine`: in `compiled/`, by several workers or devices (`replicas/`), or by Keras.
- `callbacks`, `averaged_weights` and `boards/`: those that the spec names. `run_callback` is the last of
  them: history, checkpoint, last and best model.
- `checkpoint_file`, `training_state`, `callback_state`, `variables`: what a checkpoint holds. `resume`,
  `reproduce` and `identity`: what goes on from it, and whether it may.
- `artifacts`: the files of a finished run: `fit_predictions`, `baseline` with `own_spacing`, `run_figures`
  and `network_probe` with `later_errors`; `intervals` from `row_metrics` and `whole_metrics`, without
  `undefined_metrics`. `ensemble_run` and `whole_data`: those of a mean of models.
- Beside a training: `forecast` for `check`, `lr_finder`, `more_data`.
"""
