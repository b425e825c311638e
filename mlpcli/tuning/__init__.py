"""Searching for hyperparameters: Keras Tuner's algorithms proposing, the compiled loop training.

Where to begin:

- `begin_search` and `resume_search` prepare a search, `search` runs it: trials, promotion, end.
- `oracle`: what is proposed, as a function of the search's events. `trial_states`: which trials run, and what
  they reached. `trials` and `fold_trials` train one.
- `promotion`, `keep_ensemble`: what becomes of the best trials. `importance`, `figures`: what it shows.
- `chief` and `worker`, which talk by `messages` over a `channel`; `local_workers` are started here.
"""
