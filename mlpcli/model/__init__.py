"""From spec and data to a compiled Keras model, and from a run's folder back to one.

Where to begin:

- `build`: the network of a spec, and its compilation. `components` creates what the spec names: Keras's,
  `custom_objects` (ours) or those of `plugins`; `subclassed` a model class, `transfer` what `start_from`
  copies.
- `default_losses`: what a spec leaves out. `metrics`, `metric_wrappers`, `function_metrics` and
  `target_scaling`: metrics that fit their target, in its own units. `schedule_steps`: lengths of schedules
  as numbers of steps.
- `trained_model`: a run's network with its weights, from `run_spec` and `run_contract`; `ensemble` for a
  mean.
- `outputs`: what a network's outputs mean. `fit_outputs`, `prediction_bounds` and `calibrated_network`: what
  `predict:` asks for. `prediction_columns`: as it is written.
- `preprocessing`: the raw columns of a table as layers. `row_addends` and `loss_addends`: what a row adds to
  a metric or a loss.
"""
