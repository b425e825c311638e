"""The bounds from which on something is a finding. docs/doctor.md states them, with their sources.

A healthy run must have no finding: where a source has a looser bound, the stricter one is taken.
"""

FEWEST_EPOCHS = 5
"""Fewer epochs show no trend."""
FEWEST_FALLING = 3
"""Fewer epochs show no trend, even if each was better than the one before."""

# ---------------------------------------------------------------- units and gradients

DEAD_SHARE = 0.5
"""Of a layer's units that are dead: `threshold_layer` of SageMaker Debugger's rule DeadRelu."""

SATURATED_SHARE = 0.5
"""Of a layer's units that are saturated: `threshold_layer` of its rule SaturatedActivation."""

VANISHING_RATIO, VANISHING_NORM = 1e-3, 1e-4
"""Gradient of the first layer over that of the last, and by itself: beta 1 and 2 of AutoTrainer."""

EXPLODING_RATIO = 70.0
"""The same ratio: beta 3 of AutoTrainer."""

EXPLODING_SHARE = 10.0
"""The norm of a layer's gradient over that of its weights; usual are 0.001 to 1."""

# ---------------------------------------------------------------- the training loss

STUCK = 0.02
"""The loss fell by no more than this share below that of the best constant prediction."""

WORSE_THAN_CONSTANT = 1.1
"""Times the loss of the best constant prediction: something drives the network away from it."""

SWING, SWING_SHARE = 0.2, 0.2
"""A rise of the training loss by this share of it, in this share of the epochs (AutoTrainer's eta)."""

SWING_ROWS = 320
"""Rows of which the mean of a loss shows a swing, ten batches of the usual size: smaller epochs are joined.

Of 72 rows, with dropout and shifted images, it rises by 30% to 200% in a training that is well.
"""

SETTLED = 0.05
"""Of the first loss: rises of a loss that small are no oscillation."""

SLOW_FALL, STEADY = 0.3, 0.5
"""The whole fall of a loss that falls too slowly; the second half's fall is this share of the first's."""

USUAL_RATE_FACTOR = 10.0
"""A learning rate that many times the optimizer's default, or that fraction of it, is unusual."""

# ---------------------------------------------------------------- the end of the training

LAST_PART = 0.2
"""The last fifth of the epochs ..."""

STILL_FALLING, STILL_SHARE = 0.1, 0.05
"""... lowered the monitored loss by this share of itself, and of all that it fell."""

RISEN, FALLEN = 1.25, 0.8
"""Overfitting: the validation loss at the end over its lowest, the training loss over what it was there."""

# ---------------------------------------------------------------- the scores

EASIER, EASIER_FALL = 0.7, 0.1
"""The validation loss over the training loss, both as in `evaluate`, without dropout; and how far below,
as a share of the loss of a constant prediction: the epoch that is kept suits these rows partly by chance."""

FEWEST_ROWS = 50
"""Of validation rows that are compared with training rows.

Whether a model without a network is as good: `runs/judge_baseline.py`, by which `train` judges too.
"""

ONE_SIDED, BALANCED = 0.9, (0.25, 0.75)
"""The share of later rows that are predicted too high, or too low, and what it is of training rows."""

WORSE_LATER, LATER_SHARE = 2.0, 0.1
"""Their mean absolute error over that of training rows, and as a share of the target's deviation."""

# ---------------------------------------------------------------- data

LARGE_INPUT, SMALL_INPUT = 10.0, 0.01
"""Root mean square of an input above which it is not scaled; standard deviation below which it is not."""

LARGE_TARGET = 10.0
"""The same of a target of numbers, for losses that grow with it."""

CLASS_ROWS = 5
"""Of the measured rows that have a class which is never predicted."""

SKEWED = 10.0
"""The largest class over the smallest: `threshold_imbalance` of SageMaker's rule ClassImbalance.

Only where it was not measured whether the network tells the classes apart.
"""

UNEVEN = 2.0
"""The same: weights of classes that are more alike than that change little."""

COPIED_ROWS, COPIED_SHARE = 5, 0.05
"""Rows of a split that are training rows too: so many, and this share of the split."""

# ---------------------------------------------------------------- regularization and batches

STRONG_DROPOUT, STRONG_PENALTY, STRONG_DECAY = 0.7, 0.5, 0.1
"""A rate of dropout, the share of the penalties in the loss, and a decay of the weights, that are strong."""

FEW_STEPS = 3
"""Steps of an epoch: with so few, an epoch changes the network too little."""
