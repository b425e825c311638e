"""What is wrong with a training: findings on recorded values, patches of specs, and real small networks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlpcli.doctor.case import Case
from mlpcli.doctor.find_all import find_all, whole_patch
from mlpcli.doctor.from_records import in_most
from mlpcli.doctor.harm import as_good
from mlpcli.report.doctor import diagnosis_json, show_diagnosis
from mlpcli.runs.diagnosis import Diagnosis, Finding
from mlpcli.runs.judge_baseline import Scores
from mlpcli.runs.leaking_columns import ColumnSkill
from mlpcli.runs.network_record import ClassFacts, LaterFacts, LayerFacts, NetworkFacts, TargetFacts
from mlpcli.runs.record_models import MetricsRecord
from mlpcli.spec.edit_spec import Edit, edit_text
from mlpcli.spec.load import load_text
from mlpcli.spec.schema import Spec
from mlpcli.spec.yaml_reader import parse_text
from tests.conftest import Result

Command = Callable[..., Result]

TEXT = """\
# digits, by two layers
name: seen
dataset: {path: rows.csv, target: y}
layers:
  - Dense: {units: 8, activation: tanh}   # hidden
  - Dense:
      units: 8
      activation: sigmoid
      kernel_initializer: zeros
  - Dropout: {rate: 0.1}
  - Dense: {units: 3, activation: softmax}
loss: sparse_categorical_crossentropy
optimizer: {SGD: {learning_rate: 0.01}}
metrics: [accuracy]
fit: {epochs: 20, batch_size: 32}
"""


def _spec(text: str = TEXT) -> Spec:
    return load_text(text, Path("seen.yaml")).spec


STRONG = _spec(TEXT.replace("rate: 0.1", "rate: 0.9"))
LARGE_BATCHES = _spec(TEXT.replace("batch_size: 32", "batch_size: 1000"))
RISING = [1 - 0.1 * epoch if epoch < 6 else 0.1 * epoch - 0.2 for epoch in range(20)]


def _history(
    losses: list[float], held: list[float] | None = None, rate: float = 0.01
) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = []
    for epoch, loss in enumerate(losses):
        rows.append({"epoch": epoch + 1, "loss": loss, "learning_rate": rate})
        if held is not None:
            rows[-1]["val_loss"] = held[epoch]
    return rows


def _falling(epochs: int = 20, first: float = 1.1, last: float = 0.1) -> list[float]:
    """A loss that falls fast and then settles, as that of a healthy training."""
    return [last + (first - last) * math.exp(-0.5 * epoch) for epoch in range(epochs)]


def _skills(**skills: float) -> tuple[ColumnSkill, ...]:
    return tuple(ColumnSkill(column=name, skill=skill) for name, skill in skills.items())


def _network(**changes: Any) -> NetworkFacts:
    layers = [
        LayerFacts(name="dense", units=8, saturated=0, gradient=0.1, weight=1.0),
        LayerFacts(name="dense_1", units=8, saturated=0, gradient=0.1, weight=1.0),
        LayerFacts(name="dense_2", gradient=0.1, weight=1.0),
    ]
    known = {"rows": 100, "layers": layers, "loss": 0.1, "constant_loss": 1.0986, "input_size": 1.0}
    return NetworkFacts(**{**known, "input_spread": 1.0, **changes})


def _later(**changes: Any) -> TargetFacts:
    known = {"split": "test", "rows": 400, "above": 0.04, "error": 0.8, "trained_above": 0.48}
    later = LaterFacts(**{**known, "trained_error": 0.2, **changes})
    return TargetFacts(mean=0.0, deviation=1.0, later=later)


def _case(**changes: Any) -> Case:
    known: dict[str, Any] = {
        "status": "completed",
        "history": _history(_falling(), _falling(last=0.15)),
        "spec": _spec(),
        "rows": {"train": 1000, "validation": 200, "test": 200},
        "classes": {"": 3},
        "network": _network(),
    }
    return Case(**{**known, **changes})


def _codes(case: Case) -> list[str]:
    return [each.code for each in find_all(case)]


def _patch(case: Case) -> dict[tuple[str | int, ...], object]:
    return {each.path: each.value for each in whole_patch(find_all(case))}


STUCK = {"history": _history([1.12] + [1.0986] * 19), "network": _network(loss=1.0986)}
WORSE = MetricsRecord(baseline={"metric": "accuracy", "split": "test", "network": 0.5, "linear": 0.9})


def test_a_healthy_training_has_no_finding() -> None:
    assert _codes(_case()) == []
    assert _codes(_case(network=None)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"above": 0.2},
        {"rows": 40},
        {"error": 0.3},
        {"trained_above": 0.1},
        {"error": 0.05, "trained_error": 0.01},
    ],
)
def test_later_rows_that_err_to_both_sides_or_little_do_not_drift(changes: dict[str, Any]) -> None:
    assert _codes(_case(network=_network(targets=[_later(**changes)]))) == []


@pytest.mark.parametrize(
    ("code", "changes", "patched"),
    [
        ("stuck-loss", STUCK, None),
        ("diverged", {"status": "diverged"}, ("optimizer", "SGD", "learning_rate")),
        ("not-ended", {"status": "interrupted"}, None),
        (
            "learning-rate-too-high",
            {"history": _history([1.0, 2.0, 1.0, 2.5, 1.1, 2.0, 0.9, 1.7])},
            ("optimizer", "SGD", "learning_rate"),
        ),
        (
            "learning-rate-too-high",
            {"history": _history([9.0, 3.0, 3.1, 2.9, 3.2, 3.0]), "network": _network(loss=3.0)},
            ("optimizer", "SGD", "learning_rate"),
        ),
        (
            "learning-rate-too-low",
            {"history": _history([1.2 - 0.001 * epoch for epoch in range(20)], rate=1e-5)},
            ("optimizer", "SGD", "learning_rate"),
        ),
        (
            "stopped-too-soon",
            {"history": _history([2 * 0.9**epoch for epoch in range(20)])},
            ("fit", "epochs"),
        ),
        (
            "overfitting",
            {"history": _history([0.8**epoch for epoch in range(20)], RISING)},
            ("callbacks", 0),
        ),
        (
            "dead-units",
            {"network": _network(layers=[LayerFacts(name="dense", units=8, dead=6)])},
            ("layers", 0, "Dense", "activation"),
        ),
        (
            "saturated-units",
            {"network": _network(layers=[LayerFacts(name="dense", units=8, saturated=7)]), "metrics": WORSE},
            ("layers", 0, "Dense", "activation"),
        ),
        (
            "identical-units",
            {"network": _network(layers=[LayerFacts(name="dense_1", units=8, identical=True)])},
            ("layers", 1, "Dense", "kernel_initializer"),
        ),
        (
            "vanishing-gradients",
            STUCK
            | {
                "network": _network(
                    loss=1.0986,
                    layers=[
                        LayerFacts(name="dense", gradient=1e-9, weight=1.0),
                        LayerFacts(name="dense_1", gradient=1e-5, weight=1.0),
                        LayerFacts(name="dense_2", gradient=0.1, weight=1.0),
                    ],
                )
            },
            ("layers", 1, "Dense", "activation"),
        ),
        (
            "exploding-gradients",
            {
                "status": "diverged",
                "initial": (
                    LayerFacts(name="dense", gradient=1e6, weight=1.0),
                    LayerFacts(name="dense_1", gradient=1e4, weight=1.0),
                    LayerFacts(name="dense_2", gradient=10.0, weight=1.0),
                ),
            },
            ("optimizer", "SGD", "clipnorm"),
        ),
        (
            "inputs-not-scaled",
            STUCK | {"network": _network(loss=1.0986, input_size=900.0)},
            ("dataset", "scaling"),
        ),
        ("no-better-than-baseline", {"metrics": WORSE}, None),
        ("regularization-too-strong", {"metrics": WORSE, "spec": STRONG}, ("layers", 2, "Dropout", "rate")),
        (
            "batch-too-large",
            {"metrics": WORSE, "spec": LARGE_BATCHES},
            ("fit", "batch_size"),
        ),
        (
            "validation-easier",
            {"metrics": MetricsRecord(train={"loss": 0.8}, validation={"loss": 0.3})},
            None,
        ),
        (
            "class-never-predicted",
            {
                "network": _network(
                    classes=[ClassFacts(names=["a", "b"], truth=[900, 20], predicted=[920, 0])]
                )
            },
            ("fit", "class_weight"),
        ),
        (
            "leaking-column",
            {"columns": _skills(x=0.999, z=0.5, w=0.1)},
            ("dataset", "features", "x"),
        ),
        ("target-drifts", {"network": _network(targets=[_later()])}, None),
        ("rows-in-two-splits", {"copies": ((40, 200, "test: 40 of 200 rows"),)}, None),
    ],
)
def test_each_finding_is_found_and_has_its_patch(
    code: str, changes: dict[str, Any], patched: tuple[str | int, ...] | None
) -> None:
    case = _case(**changes)
    assert code in _codes(case)
    if patched is not None:
        assert patched in _patch(case)
    found = next(each for each in find_all(case) if each.code == code)
    assert found.seen
    assert found.why
    json.dumps(found.to_json())


def test_targets_that_are_not_scaled_are_found_where_the_loss_grows_with_them() -> None:
    text = TEXT.replace("sparse_categorical_crossentropy", "mse").replace(
        "activation: softmax", "activation: linear"
    )
    changes: dict[str, Any] = {
        "classes": {},
        "history": _history([1e6] * 6),
        "network": _network(loss=1e6, constant_loss=1e6, targets=[TargetFacts(mean=3000.0, deviation=900.0)]),
    }
    assert _patch(_case(spec=_spec(text), **changes))["dataset", "target_scaling"] == "standardize"
    logs = _spec(text.replace("loss: mse", "loss: mean_squared_logarithmic_error"))
    assert "target-not-scaled" not in _codes(_case(spec=logs, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {
            "history": _history([0.001, 0.0002, 0.0004, 0.0001, 0.0003, 0.0001])
        },  # swings of a loss that is tiny
        {
            "history": _history(_falling(), [0.5, 0.001, *[0.002] * 18])
        },  # a validation loss that doubles to nearly 0
        {"history": _history([0.8, 0.7, 0.6])},  # too few epochs
        {"network": _network(layers=[LayerFacts(name="dense", units=8, dead=2)])},
        {
            "network": _network(layers=[LayerFacts(name="dense", units=8, saturated=8)])
        },  # and yet a good network
        {
            "network": _network(layers=[LayerFacts(name="out", units=1, saturated=1, output=True)]),
            "metrics": WORSE,
        },
        {"network": _network(input_size=900.0)},
        {"metrics": MetricsRecord(train={"loss": 0.4}, validation={"loss": 0.35})},
        {"columns": _skills(x=0.99, z=0.97, w=0.1)},
        {"copies": ((1, 24, "test: 1 of 24 rows"),)},
        {"network": _network(classes=[ClassFacts(names=["a", "b"], truth=[99, 1], predicted=[100, 0])])},
    ],
)
def test_what_is_no_finding(changes: dict[str, Any]) -> None:
    expected = ["no-better-than-baseline"] if "metrics" in changes and changes["metrics"] is WORSE else []
    assert _codes(_case(**changes)) == expected


NOISY = [
    0.787,
    0.484,
    0.751,
    0.355,
    0.454,
    0.271,
    0.375,
    0.305,
    0.219,
    0.156,
    0.119,
    0.124,
    0.138,
    0.159,
    0.097,
]
"""Losses of 72 images in batches of 32, shifted and with dropout: the accuracy of the test rows is 0.96."""
SWINGING = [1.0, 2.0] * 4


@pytest.mark.parametrize(
    ("losses", "rows", "batch", "high"),
    [
        (NOISY, 72, 32, False),
        (NOISY, 1000, 32, True),
        ([each for each in SWINGING for _ in range(5)], 72, 32, True),  # not by chance, since it lasts
        (SWINGING, 72, 128, True),  # all rows are one batch: there is no chance
    ],
)
def test_the_swings_of_few_rows_do_not_show_a_rate_that_is_too_high(
    losses: list[float], rows: int, batch: int, high: bool
) -> None:
    text = TEXT.replace("batch_size: 32", f"batch_size: {batch}").replace("  - Dropout: {rate: 0.1}\n", "")
    case = _case(history=_history(losses), spec=_spec(text), rows={"train": rows})
    assert ("learning-rate-too-high" in _codes(case)) is high
    if high and rows < batch:
        drops = _case(history=_history(losses), spec=_spec(TEXT), rows={"train": 31})
        assert "learning-rate-too-high" not in _codes(drops)


def test_overfitting_is_none_where_the_best_epoch_was_kept() -> None:
    rising = _history([0.8**epoch for epoch in range(20)], RISING)
    kept = _spec(TEXT + "callbacks: [EarlyStopping: {patience: 30, restore_best_weights: true}]\n")
    assert _codes(_case(history=rising)) == ["overfitting"]
    assert _codes(_case(history=rising, spec=kept)) == []


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.01, 2.0), min_size=1, max_size=30),
    st.sampled_from(["completed", "interrupted", "diverged", "failed", "killed"]),
    st.booleans(),
)
def test_any_history_can_be_judged(losses: list[float], status: str, held: bool) -> None:
    case = _case(history=_history(losses, losses[::-1] if held else None), status=status, network=None)
    for each in find_all(case):
        json.dumps(each.to_json())
    load_text(edit_text(TEXT, "seen.yaml", whole_patch(find_all(case)))[0], Path("seen.yaml"))


def test_of_findings_with_one_cause_only_the_cause_is_treated() -> None:
    case = _case(
        **STUCK
        | {"network": _network(loss=1.0986, input_size=900.0), "history": _history([1.2] * 20, rate=5.0)}
    )
    assert {"inputs-not-scaled", "learning-rate-too-high"} <= set(_codes(case))
    assert ("optimizer", "SGD", "learning_rate") not in _patch(case)


def test_pixels_are_scaled_alike_since_some_are_the_same_in_all_rows() -> None:
    text = TEXT.replace("path: rows.csv, target: y", "name: mnist")
    changes: dict[str, Any] = STUCK | {
        "spec": _spec(text),
        "network": _network(loss=1.0986, input_size=190.0),
        "shape": (28, 28),
    }
    assert _patch(_case(**changes, pixels=True))["layers", 0] == {"Rescaling": {"scale": 1 / 255}}
    assert _patch(_case(**changes))["layers", 0] == {"Normalization": {"axis": None}}
    assert _patch(_case(**changes | {"shape": (4,)}))["layers", 0] == "Normalization"


def test_a_loss_that_is_no_better_than_a_constant_but_falls_is_trained_for_longer() -> None:
    falling = _history([1.5 - 0.01 * epoch for epoch in range(20)])
    case = _case(history=falling, network=_network(loss=1.3))
    assert _codes(case) == ["stuck-loss", "stopped-too-soon"]
    assert _patch(case)["fit", "epochs"] == 80


def test_a_rate_that_is_far_too_high_is_lowered_whatever_else_is_wrong() -> None:
    text = TEXT.replace("learning_rate: 0.01", "learning_rate: 100.0")
    case = _case(status="diverged", history=[], spec=_spec(text), network=_network(input_size=900.0))
    assert {"diverged", "inputs-not-scaled"} <= set(_codes(case))
    assert _patch(case)["optimizer", "SGD", "learning_rate"] == 0.01
    usual = _case(status="diverged", history=[], spec=_spec(), network=_network(input_size=900.0))
    assert list(_patch(usual)) == [("dataset", "scaling")]  # scaled inputs may be all that it takes
    layers = tuple(
        LayerFacts(name=name, gradient=1e6, weight=1.0) for name in ("dense", "dense_1", "dense_2")
    )
    large = _case(status="diverged", history=[], initial=layers)
    assert "exploding-gradients" in _codes(large)
    assert ("optimizer", "SGD", "learning_rate") not in _patch(large)  # the weights are to be smaller


@pytest.mark.parametrize(
    ("inputs", "patched"),
    [
        ("numbers: {kinds: [numeric, date]}, others: {kinds: [categorical]}", True),
        ("numbers: {columns: [x, z]}, others: {kinds: [categorical]}", False),
    ],
)
def test_a_leaking_column_is_left_out_unless_an_input_may_name_it(inputs: str, patched: bool) -> None:
    text = TEXT.replace(
        "layers:", f"inputs: {{{inputs}}}\nlayers:\n  - Concatenate: {{}}\n    from: [numbers, others]"
    )
    found = _patch(_case(spec=_spec(text), columns=_skills(x=0.999, z=0.5, w=0.1)))
    assert found == ({("dataset", "features", "x"): "ignore"} if patched else {})


def test_gradients_that_are_bounded_are_not_bounded_twice() -> None:
    bounded = _spec(TEXT.replace("learning_rate: 0.01", "learning_rate: 0.01, global_clipnorm: 2.0"))
    assert list(_patch(_case(status="diverged", spec=bounded))) == [("optimizer", "SGD", "learning_rate")]


def test_a_low_rate_of_trained_layers_and_an_end_by_time_are_no_findings() -> None:
    slow = _history([1.2 - 0.001 * epoch for epoch in range(20)], rate=1e-5)
    started = _spec(TEXT + "start_from: {run: other, layers: [dense]}\n")
    assert "learning-rate-too-low" not in _codes(_case(history=slow, spec=started))
    rash = _spec(TEXT + "callbacks: [EarlyStopping: {patience: 1}]\n")
    falling = _history([2 * 0.9**epoch for epoch in range(8)])
    assert _codes(_case(history=falling, spec=rash)) == ["stopped-too-soon"]
    assert _codes(_case(history=falling, spec=rash, timed_out=True)) == []


@pytest.mark.parametrize(
    ("losses", "codes"),
    [
        ([2.0, 1.5, 1.1], ["stopped-too-soon"]),
        ([2.0, 2.1, 1.1], []),
        ([2.0, 1.5, 1.48], []),
        ([2.0, 1.5], []),
    ],
)
def test_three_epochs_that_each_help_are_over_too_soon(losses: list[float], codes: list[str]) -> None:
    spec = _spec(TEXT.replace("epochs: 20", f"epochs: {len(losses)}"))
    assert _codes(_case(history=_history(losses), spec=spec)) == codes


def test_what_a_training_came_to_names_the_findings_that_may_be_why() -> None:
    (found,) = (each for each in find_all(_case(**STUCK)) if each.code == "stuck-loss")
    assert "finding" not in found.fix
    large = _case(**STUCK | {"network": _network(loss=1.0986, input_size=900.0)})
    (found,) = (each for each in find_all(large) if each.code == "stuck-loss")
    assert found.fix == "first treat inputs-not-scaled"


def test_classes_that_are_weighted_already_are_not_to_be_weighted() -> None:
    lost = _network(classes=[ClassFacts(names=["a", "b"], truth=[900, 20], predicted=[920, 0])])
    weighted = _spec(TEXT.replace("batch_size: 32", "batch_size: 32, class_weight: balanced"))
    (found,) = find_all(_case(network=lost, spec=weighted))
    assert (found.fix, found.patch) == ("choose another threshold", ())
    several = _case(network=lost, classes={"one": 2, "other": 3})
    assert _patch(several) == {("fit", "class_weight"): "balanced"}  # it holds for all outputs
    with pytest.raises(ValidationError):
        ClassFacts(names=["a", "b"], truth=[900, 20], predicted=[920])


@pytest.mark.parametrize(
    ("features", "edit", "wanted"),
    [
        ("[a, paid, b]", Edit(("dataset", "features", "paid"), "ignore"), ["a", "b"]),
        ("{a: numeric}", Edit(("dataset", "features", "paid"), "ignore"), {"a": "numeric", "paid": "ignore"}),
        (
            "{a: {scaling: none}, b: numeric}",
            Edit(("dataset", "scaling"), "standardize"),
            {"a": {"scaling": "standardize"}, "b": "numeric"},
        ),
    ],
)
def test_a_patch_suits_the_form_of_the_features(
    features: str, edit: Edit, wanted: object, tmp_path: Path
) -> None:
    from mlpcli.doctor.patched_spec import patch_spec
    from mlpcli.runs import open_run

    text = TEXT.replace("target: y", f"target: y, features: {features}")
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "resolved.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "run.json").write_text('{"status": "completed", "name": "seen"}', encoding="utf-8")
    patched = patch_spec(open_run(tmp_path), [edit])
    assert patched is not None
    assert patched.comments
    section = parse_text(patched.text, "a.yaml").data["dataset"]
    assert isinstance(section, dict)
    assert section["features"] == wanted


def test_what_most_trainings_have_is_said_with_their_number() -> None:
    one, two = find_all(_case(**STUCK)), find_all(_case())
    found = in_most([one, one, two])
    assert [each.code for each in found] == ["stuck-loss"]
    assert found[0].seen.startswith("in 2 of 3 trainings, such as: after 20 epochs")
    assert in_most([one, two, two]) == ()


# ---------------------------------------------------------------- real runs


def test_the_patch_of_a_run_is_shown_and_written_as_a_spec_that_checks(
    mlpcli: Command, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--runs-dir", tiny_run]
    shown = mlpcli("doctor", "tiny", *options)
    assert (shown.status, shown.err) == (0, "")
    assert "warning  stopped-too-soon" in shown.out
    assert "-fit: {epochs: 5, batch_size: 16}\n+fit: {epochs: 20, batch_size: 16}" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80 + len(str(tiny_run))
    copy = tmp_path / "copy.yaml"
    written = mlpcli("doctor", "tiny", "--apply", "-o", copy, "--records", "--json", *options)
    document = json.loads(written.out)
    assert document["written"] == str(copy)
    assert "stopped-too-soon" in [each["code"] for each in document["findings"]]
    assert mlpcli("check", copy).status == 0
    monkeypatch.setattr("mlpcli.doctor.examine.probe_network", lambda *_, **__: 1 / 0)
    without = json.loads(mlpcli("doctor", "tiny", "--json", *options).out)
    assert without["notes"] == ["the layers cannot be measured: ZeroDivisionError: division by zero"]
    assert without["findings"] == document["findings"]
    again = mlpcli("doctor", "tiny", "-o", copy, *options)
    assert again.status == 2
    assert "exists already; add --force" in again.err


@pytest.mark.parametrize(
    ("network", "linear", "ends", "rows", "said"),
    [
        (725.2, 698.1, [394.1, 974.2], 400, "a difference that may be chance"),
        (725.2, 100.0, [394.1, 974.2], 400, "by more than chance"),
        (725.2, 698.1, None, 400, "a difference that may be chance"),
        (300.0, 1.0, None, 40, "by more than chance"),
        (1.0, 1.0, None, 40, "is as good"),
    ],
)
def test_whether_a_difference_from_a_linear_model_may_be_chance_is_said(
    network: float, linear: float, ends: list[float] | None, rows: int, said: str
) -> None:
    metric = "root_mean_squared_error"
    metrics = MetricsRecord(
        baseline={"metric": metric, "split": "test", "network": network, "mean": 1e4, "linear": linear},
        confidence_intervals={"test": {metric: ends}} if ends is not None else {},
    )
    case = _case(metrics=metrics, rows={"train": 1000, "test": rows})
    (judged,) = Scores(metrics.baseline, {metric: ends} if ends is not None else {}, rows).judge()
    assert said in judged.sentence()
    worse = "more than chance" in said
    assert ("no-better-than-baseline" in _codes(case)) is worse
    assert (as_good(case) == ()) is worse
    if worse:  # in the words of the training
        assert find_all(case)[0].seen == judged.sentence()


@pytest.mark.parametrize(
    ("network", "linear", "usual", "said"),
    [
        (0.8454, 0.8707, 0.9217, ["as good", "threshold"]),
        (0.8454, 0.8407, 0.9217, ["threshold"]),
        (0.8454, 0.9907, 0.9217, ["worse", "threshold"]),
        (0.8454, 0.8407, 0.8783, ["skewed"]),  # the threshold is not to blame
        (0.8454, 0.8707, None, ["as good", "skewed"]),
        (0.8454, 0.8407, None, ["skewed"]),
        (0.8454, 0.9907, None, ["worse"]),
        (0.5200, 0.8707, 0.9217, ["no better"]),
    ],
)
def test_a_network_with_a_threshold_is_compared_by_auc(
    network: float, linear: float, usual: float | None, said: list[str]
) -> None:
    areas: dict[str, str | float] = {"linear": linear, "network": network, "error": 0.02, "chance": 0.55}
    by: dict[str, Any] = {"chosen_by": "the threshold that was chosen for f1", "usual": usual}
    scores: dict[str, str | float] = {"majority": 0.92, "linear": 0.925, "network": 0.8783}
    every: dict[str, Any] = {"metric": "accuracy", "split": "test", **scores, "auc": areas}
    metrics = MetricsRecord(baseline=every | ({} if usual is None else {"threshold": by}))
    judged = Scores(metrics.baseline, {}, 600).judge()
    assert [each.verdict for each in judged] == said
    texts = {each.verdict: each.sentence() for each in judged}
    if "as good" in texts:
        assert (
            "is as good on the test rows: AUC 0.8454 against 0.8707, a difference that may"
            in texts["as good"]
        )
    if "threshold" in texts:
        wanted = (
            "0.8783 against 0.92 of always predicting the majority class, by the threshold that was chosen"
        )
        assert wanted in texts["threshold"]
        assert "(by one of 0.5: 0.9217)" in texts["threshold"]
    case = _case(metrics=metrics, rows={"train": 1000, "test": 600})
    assert [each.verdict for each in as_good(case)] == [
        each for each in said if each not in ("worse", "no better")
    ]
    assert ("no-better-than-baseline" in _codes(case)) is bool({"worse", "no better"} & {*said})


def test_a_linear_model_that_is_as_good_is_part_of_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    show_diagnosis("seen/1", Diagnosis((), scores=("a linear model is as good on the test rows",)), ())
    out, err = capsys.readouterr()
    wanted = "the training that the doctor knows of, but a linear model is as good on the test rows\n"
    assert out.endswith(wanted)
    assert err == ""
    assert diagnosis_json("", "", Diagnosis((), ("a",), scores=("b",)), "", None)["notes"] == ["a", "b"]


def test_what_the_network_tells_of_a_lost_class_decides_what_is_to_do() -> None:
    def found(told: bool, names: str = "ab", **changes: Any) -> Finding:
        rows = {"truth": [900, *[112] * (len(names) - 1)], "predicted": [900 + 112 * (len(names) - 1)]}
        facts = ClassFacts(
            names=list(names),
            truth=rows["truth"],
            predicted=[*rows["predicted"], *[0] * (len(names) - 1)],
            distinguished=[told] * len(names),
        )
        (one,) = find_all(_case(network=_network(classes=[facts]), **changes))
        return one

    assert [(each.path, each.value) for each in found(True).patch] == [
        (("predict",), {"threshold": {"metric": "f1"}})
    ]
    assert [each.path for each in found(True, "abc").patch] == [("fit", "class_weight")]
    assert [each.path for each in found(True, rows={"train": 900}).patch] == [("fit", "class_weight")]
    assert "mlpcli evaluate" not in found(False).fix
    assert "mlpcli evaluate" in found(False, "abc").fix
    assert "does not distinguish" in found(False).why


def test_a_network_that_init_wrote_is_not_compared_with_that_of_init() -> None:
    (found,) = find_all(_case(metrics=WORSE))
    assert "mlpcli init" in found.fix
    (found,) = find_all(_case(metrics=WORSE, by_init=True))
    assert "mlpcli init" not in found.fix
    built_in = _spec(TEXT.replace("path: rows.csv, target: y", "name: digits"))
    (found,) = find_all(_case(metrics=WORSE, spec=built_in))
    assert "mlpcli init" not in found.fix
