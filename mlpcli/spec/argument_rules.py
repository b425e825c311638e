"""Rules for the values of arguments that Keras accepts without an error, or rejects only later.

By kind of component; those of layers are in `layer_rules`, those of callbacks in `callback_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlpcli.spec.callback_rules import CALLBACK_RULES, CALLED, MODE, PATH
from mlpcli.spec.layer_rules import FLOAT, LAYER_RULES, NAME, NUMERIC, WINDOW, Rules, layer_rule
from mlpcli.spec.number_rules import (
    ABOVE_ZERO_TO_ONE,
    AXES,
    BELOW_ONE,
    BOUNDED_WHOLE,
    CLASSES,
    INTEGER,
    LEVELS,
    NESTED,
    NONE_OR_FROM_TWO,
    NOT_NEGATIVE,
    NOT_POSITIVE,
    NUMBER,
    POSITIVE,
    POSITIVE_WHOLE,
    SHARE,
    SHRINKS,
    THRESHOLDS,
    WEIGHTS,
    WHOLE,
)
from mlpcli.spec.schedule_lengths import (
    BOUNDARIES,
    CYCLES,
    STEPS,
    STEPS_OR_NONE,
    WHOLE_BY_DEFAULT,
    WHOLE_STEPS,
)
from mlpcli.spec.value_rules import TEXT, Rule, either, list_of, one_of, or_null
from mlpcli.spec.values import Value

PLUGIN_RULES: dict[str, Rules] = {
    "layers": {
        "units": POSITIVE_WHOLE,
        "filters": POSITIVE_WHOLE,
        "rate": BELOW_ONE,
        "input_dim": POSITIVE_WHOLE,
        "num_oov_indices": BOUNDED_WHOLE,
    },
    "metrics": {"num_thresholds": THRESHOLDS, "num_classes": BOUNDED_WHOLE},
    "optimizers": {
        "learning_rate": NOT_NEGATIVE,
        "momentum": BELOW_ONE,
        "beta_1": BELOW_ONE,
        "beta_2": BELOW_ONE,
        "rho": BELOW_ONE,
        "clipnorm": POSITIVE,
        "clipvalue": POSITIVE,
        "global_clipnorm": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
        "warmup_steps": STEPS_OR_NONE,
    },
    "optimizers.schedules": {
        "initial_learning_rate": NOT_NEGATIVE,
        "decay_steps": STEPS,
        "first_decay_steps": STEPS,
        "warmup_steps": STEPS_OR_NONE,
        "boundaries": BOUNDARIES,
        WHOLE_BY_DEFAULT: STEPS,
        "decay_rate": POSITIVE,
        "steps": WHOLE_STEPS,
        "initial": NOT_NEGATIVE,
        "peak": NOT_NEGATIVE,
        "cycles": CYCLES,
        "flat": BELOW_ONE,
        "start": NOT_NEGATIVE,
        "to": POSITIVE,
    },
    "callbacks": {"patience": WHOLE, "min_lr": NOT_NEGATIVE, "mode": MODE, "schedule": CALLED},
    "losses": {"label_smoothing": BELOW_ONE},
    "regularizers": {"l1": NOT_NEGATIVE, "l2": NOT_NEGATIVE},
}
"""By kind and argument, also of a plug-in's class: names that mean the same everywhere."""


def _is_pattern(value: Value) -> bool:
    try:
        return TEXT.test(value) and re.compile(str(value)) is not None
    except re.error:
        return False


AXES_LIST = list_of(INTEGER, "a list of axes, such as [0, 1]", distinct=True)
PATTERN = Rule("must be a regular expression", _is_pattern, {"type": "string", "minLength": 1})
MAP = Rule(
    "must be a mapping of regular expressions of weights' paths to optimizers",
    lambda v: isinstance(v, dict) and all(map(_is_pattern, v)),
    {"type": "object"},
)
A_MAP = Rule("must be an OptimizerMap", lambda v: isinstance(v, dict), {"type": "object"})

SMOOTHING: Rules = {"label_smoothing": or_null(BELOW_ONE)}
THRESHOLD_LIST = either(SHARE, list_of(SHARE, "", least=0), words="a number from 0 to 1, or a list of them")

KERAS_RULES: dict[str, tuple[tuple[str, Rules], ...]] = {
    "layers": LAYER_RULES,
    "losses": (
        ("Quantile", {"quantiles": LEVELS}),
        ("BinaryFocalCrossentropy", {"alpha": SHARE}),
        ("CategoricalFocalCrossentropy", {"alpha": WEIGHTS}),
        ("Tversky", {"alpha": NOT_NEGATIVE, "beta": NOT_NEGATIVE}),
        ("SparseCategoricalCrossentropy", {"axis": INTEGER}),
        ("Circle", {"gamma": POSITIVE, "margin": NUMBER}),
        (
            ".*",
            {
                **SMOOTHING,
                "axis": or_null(AXES),
                "gamma": NOT_NEGATIVE,
                "delta": POSITIVE,
                "q": SHRINKS,
                "ignore_class": INTEGER,
                "reduction": one_of(
                    "sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", null=True
                ),
                "dtype": FLOAT,
                "name": NAME,
            },
        ),
    ),
    "metrics": (
        (
            "AUC",
            {
                "thresholds": list_of(SHARE, "a list of numbers from 0 to 1", least=0),
                "label_weights": WEIGHTS,
            },
        ),
        ("F1Score|FBetaScore", {"threshold": ABOVE_ZERO_TO_ONE}),
        (
            ".*",
            {
                **SMOOTHING,
                "num_thresholds": THRESHOLDS,
                "thresholds": THRESHOLD_LIST,
                "threshold": NUMBER,
                "num_classes": CLASSES,
                "target_class_ids": list_of(WHOLE, "a list of classes, such as [0, 1]"),
                "axis": or_null(AXES),
                "curve": one_of("ROC", "PR", "PRGAIN", folded=True),
                "summation_method": one_of("interpolation", "majoring", "minoring", folded=True),
                "average": one_of("micro", "macro", "weighted", null=True),
                "class_aggregation": one_of("uniform_average", "variance_weighted_average", null=True),
                "num_labels": POSITIVE_WHOLE,
                "num_regressors": WHOLE,
                "beta": POSITIVE,
                "k": POSITIVE_WHOLE,
                "top_k": POSITIVE_WHOLE,
                "class_id": WHOLE,
                **dict.fromkeys(("recall", "precision", "sensitivity", "specificity"), SHARE),
                "ignore_class": INTEGER,
                "dtype": NUMERIC,
                "name": TEXT,
            },
        ),
    ),
    "optimizers": (
        ("Lion", {"beta_1": SHRINKS}),
        ("Muon", {"weight_decay": or_null(NOT_NEGATIVE), "adam_weight_decay": or_null(NOT_NEGATIVE)}),
        ("OptimizerMap", {"optimizer_map": MAP}),
        ("MultiOptimizer", {"optimizer_map": A_MAP}),
        (
            ".*",
            {
                **PLUGIN_RULES["optimizers"],
                **dict.fromkeys(("adam_beta_1", "adam_beta_2"), BELOW_ONE),
                **dict.fromkeys(
                    ("epsilon", "epsilon_1", "epsilon_2", "initial_accumulator_value"), NOT_NEGATIVE
                ),
                **dict.fromkeys(("l1_regularization_strength", "l2_regularization_strength"), NOT_NEGATIVE),
                "l2_shrinkage_regularization_strength": NOT_NEGATIVE,
                "learning_rate_power": NOT_POSITIVE,
                "beta": NUMBER,
                "beta_2_decay": NUMBER,
                "clip_threshold": POSITIVE,
                "ema_momentum": SHARE,
                "ema_overwrite_frequency": WHOLE,
                "gradient_accumulation_steps": NONE_OR_FROM_TWO,
                "loss_scale_factor": POSITIVE,
                "initial_scale": POSITIVE,
                "dynamic_growth_steps": POSITIVE_WHOLE,
                "adam_weight_decay": NOT_NEGATIVE,
                "adam_lr_ratio": NOT_NEGATIVE,
                "ns_steps": POSITIVE_WHOLE,
                "rms_rate": or_null(POSITIVE),
                **dict.fromkeys(("muon_a", "muon_b", "muon_c"), NUMBER),
                "exclude_layers": list_of(
                    PATTERN, "a list of regular expressions of weights' paths", least=0
                ),
                "name": NAME,
            },
        ),
    ),
    "optimizers.schedules": (
        (
            ".*",
            {
                **PLUGIN_RULES["optimizers.schedules"],
                "warmup_steps": or_null(STEPS_OR_NONE),
                **dict.fromkeys(
                    ("alpha", "m_mul", "power", "end_learning_rate", "warmup_target"), NOT_NEGATIVE
                ),
                "t_mul": POSITIVE,
                "values": list_of(NOT_NEGATIVE, "a list of numbers of at least 0"),
                "name": TEXT,
            },
        ),
    ),
    "callbacks": ((".*", CALLBACK_RULES),),
    "initializers": (
        (
            ".*",
            {
                "value": NESTED,
                **dict.fromkeys(("gain", "mean", "minval", "maxval"), NUMBER),
                "stddev": NOT_NEGATIVE,
                "scale": POSITIVE,
                "mode": one_of("fan_in", "fan_out", "fan_avg"),
                "distribution": one_of("truncated_normal", "untruncated_normal", "uniform", folded=True),
                "window": WINDOW,
                "side": one_of("real", "imag"),
                "scaling": one_of("density", "spectrum", null=True),
                **dict.fromkeys(("input_axes", "output_axes"), AXES_LIST),
                "seed": INTEGER,
            },
        ),
    ),
    "regularizers": (
        (
            ".*",
            {
                **dict.fromkeys(("l1", "l2"), or_null(NOT_NEGATIVE)),
                "factor": NOT_NEGATIVE,
                "mode": one_of("rows", "columns"),
            },
        ),
    ),
    "constraints": (
        (
            ".*",
            {"max_value": NOT_NEGATIVE, "min_value": NOT_NEGATIVE, "rate": SHARE, "axis": or_null(AXES)},
        ),
    ),
}
"""By kind, patterns of the names of Keras's classes and ours, with rules; the first match counts."""


def value_rule(namespace: str, class_name: str, argument: str, *, keras: bool) -> Rule | None:
    """Return the rule for an argument's value, or None.

    Args:
        namespace: of the class.
        class_name: the class.
        argument: its name.
        keras: whether the class is Keras's or ours, and not a plug-in's.
    """
    if not keras:
        return PLUGIN_RULES.get(namespace, {}).get(argument)
    if namespace == "layers":
        return layer_rule(class_name, argument)
    fitting = (rules for pattern, rules in KERAS_RULES[namespace] if re.fullmatch(pattern, class_name))
    return next((rules[argument] for rules in fitting if argument in rules), None)


def may_be_null(namespace: str, default: object, rule: Rule | None, *, keras: bool) -> bool:
    """Return whether an argument with a rule may be null even if the rule does not say so.

    Args:
        namespace: of the class.
        default: of the argument.
        rule: for its value.
        keras: whether the class is Keras's or ours, and not a plug-in's, whose defaults are not all known.
    """
    return default is None or rule is PATH or not (keras or namespace == "callbacks")


def every_rule() -> Iterator[tuple[str, Rule]]:
    """Yield every rule of the tables, with the argument that it is for."""
    for tables in KERAS_RULES.values():
        for _, rules in tables:
            yield from rules.items()
    for rules in PLUGIN_RULES.values():
        yield from rules.items()
