"""`check`: the plan of a training, known before it; advice with its reasons; mistakes as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from mlpcli.spec.load import load_spec
from tests.cli.test_light import HEAVY, MEASURE, _fresh
from tests.conftest import ROOT, TINY, Result

CheckJson = Callable[..., dict[str, Any]]


@pytest.fixture
def check_json(mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]) -> CheckJson:
    """The document of `check --json` on a spec's text."""

    def run(text: str, *arguments: object, status: int = 0) -> dict[str, Any]:
        result = mlpcli("check", spec_file(text), "--json", *arguments)
        assert result.status == status, result.err
        document: dict[str, Any] = json.loads(result.out)
        return document

    return run


def test_the_plan_stands_beside_the_lines_of_the_spec(
    mlpcli: Callable[..., Result], spec_file: Callable[..., Path]
) -> None:
    spec = spec_file(TINY, "tiny.yaml")
    result = mlpcli("check", spec)
    assert (result.status, result.err) == (0, "")
    assert [line.rstrip() for line in result.out.splitlines()] == [
        f"{spec}: no problems found",
        "data    iris (built in)",
        "split       rows",
        "train         96",
        "validation    24",
        "test          30",
        "classes 3: setosa 32 (33.3%), versicolor 32 (33.3%), virginica 32 (33.3%)",
        "",
        "line  layer          class          output  parameters",
        "5     normalization  Normalization       4           9",
        "6     dense          Dense               8          40",
        "7     dense_1        Dense               3          27",
        "76 parameters (67 of them trained)",
        "",
        "epochs  5 of 6 steps",
        # 150 rows of 4 floats and an int64; 9 + 67 weights, Adam's two for each of 67, rate and counter;
        # 16 rows of 4 + 4 + 8 + 3 floats
        "memory  5.7 KB over TensorFlow's own: data 3.6 KB, weights and optimizer 848",
        "        bytes, one batch 1.2 KB",
        "files   runs/tiny/<date>_<time>/: spec.yaml resolved.yaml run.json history.csv",
        "        metrics.json summary.txt model.keras saved_model/ checkpoints/",
        "        tensorboard/ plots/ lock",
        f"next    mlpcli train {spec}",
    ]
    assert [path.name for path in spec.parent.iterdir()] == ["tiny.yaml"]


def test_the_plan_as_json_is_what_train_then_does(check_json: CheckJson, tiny_run: Path) -> None:
    plan = check_json(TINY)
    (run_dir,) = (tiny_run / "tiny").iterdir()
    record = json.loads((run_dir / "run.json").read_text())
    assert plan["valid"] is True
    assert plan["parameters"] == record["model"]["parameters"]
    assert plan["rows"] == record["data"]["rows"]
    assert plan["classes"]["test"] == {"target": {"setosa": 10, "versicolor": 10, "virginica": 10}}
    assert plan["layers"][1]["place"]["line"] == 6
    written = {f"{path.name}/" if path.is_dir() else path.name for path in run_dir.iterdir()}
    assert set(plan["files"]) == written


def test_a_layer_from_elsewhere_names_its_file_or_flag(
    mlpcli: Callable[..., Result], spec_file: Callable[..., Path]
) -> None:
    base = spec_file(TINY, "tiny.yaml")
    spec = spec_file("extends: tiny.yaml\n", "over.yaml")
    result = mlpcli("check", spec, "--set", "layers[1].Dense.units=9")
    lines = [line.split()[0] for line in result.out.splitlines() if " Dense " in line or " Norm" in line]
    assert lines == [f"{base.name}:5", "--set", f"{base.name}:7"]


def test_what_was_chosen_is_told(check_json: CheckJson) -> None:
    text = "dataset: {name: breast_cancer}\nlayers: [Normalization, Dense: {units: {hp: int, min: 1, max: 3}}, Dropout: {rate: 0.1}]\n"
    notes = check_json(text, "--set", "callbacks=[{TensorBoard: false}]")
    assert notes["notes"] == [
        "loss: BinaryCrossentropy(from_logits: True), chosen for a target of 2 classes",
        "metrics: BinaryAccuracy(name: accuracy, threshold: 0.0), chosen for a target of 2 classes",
        "hyperparameters at their defaults: layers[1].Dense.units 1; mlpcli tune searches them",
    ]
    assert "tensorboard/" not in notes["files"]


def test_the_objective_of_a_search_is_held_against_the_metrics(check_json: CheckJson) -> None:
    text = TINY + "tuner: {objective: val_acc}\n"
    (problem,) = check_json(text, "--set", "layers[1].Dense.units={hp: int, min: 2, max: 5}", status=2)[
        "problems"
    ]
    assert problem["path"] == "tuner.objective"
    assert problem["hint"] == "did you mean 'val_accuracy'? available: loss, accuracy, val_loss, val_accuracy"


@pytest.mark.slow
def test_time_is_measured_on_the_engine_that_would_run(check_json: CheckJson) -> None:
    assert check_json(TINY)["seconds_per_epoch"] is None
    fast = check_json(TINY, "--time")["seconds_per_epoch"]
    slow = check_json(TINY, "--time", "--set", "fit.engine=keras")["seconds_per_epoch"]
    assert 0 < fast < slow


def test_resolved_is_ready_to_run_and_final(
    mlpcli: Callable[..., Result], spec_file: Callable[..., Path]
) -> None:
    spec = spec_file("extends: tiny.yaml\nname: over\n", "over.yaml")
    spec_file(TINY, "tiny.yaml")
    result = mlpcli("check", spec, "--resolved", "--set", "fit.epochs=9")
    assert (result.status, result.err) == (0, "")
    resolved = spec_file(result.out, "resolved.yaml")
    assert load_spec(resolved).spec.fit.epochs == 9
    assert "extends" not in result.out
    assert mlpcli("check", resolved, "--resolved").out == result.out


def test_mistakes_come_as_json_too(check_json: CheckJson) -> None:
    document = check_json(TINY.replace("units: 8", "units: 0").replace("iris", "irs"), status=2)
    assert document["valid"] is False
    dataset, problem = document["problems"]
    assert (dataset["path"], dataset["hint"]) == ("dataset.name", "did you mean 'iris'?")
    assert problem["path"] == "layers[1].Dense.units"
    assert (problem["place"]["line"], problem["place"]["column"]) == (6, 20)
    assert (problem["rule"], problem["received"]) == ("must be a positive integer", 0)


def test_a_spec_that_fails_its_schema_is_told_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    """What keeps it under half a second of processor time; the time itself is not for a test to measure."""
    spec = tmp_path / "wrong.yaml"
    spec.write_text((ROOT / "configs" / "digits.yaml").read_text().replace("epochs: 40", "epochs: 0"))
    measured = _fresh(MEASURE.format(arguments=["check", str(spec)]))
    assert measured["status"] == 2
    assert not HEAVY & set(cast(list[str], measured["modules"]))


# ---------------------------------------------------------------- advice

DIGITS = (ROOT / "configs" / "digits.yaml").read_text(encoding="utf-8")
SKEWED = "a,kind\n" + "".join(f"{n % 7}.5,{'yes' if n % 20 == 0 else 'no'}\n" for n in range(200))

# name: (what to change in the digits spec, the path of the advice, the start of what is seen)
ADVICE: dict[str, tuple[list[str], str, str]] = {
    "unscaled": (
        ["layers[0]=Flatten"],
        "layers[0]",
        "the inputs are not scaled: their root mean square is about 12",
    ),
    "too small": (
        ["layers[0].Rescaling.scale=1e-4"],
        "layers[0]",
        "the inputs are not scaled: their standard deviation is at most 0.0006",
    ),
    "sigmoids": (
        [f"layers[{i}]={{Dense: {{units: 16, activation: sigmoid}}}}" for i in (2, 3, 4)]
        + ["layers[5]={Dense: {units: 10, activation: softmax}}"],
        "layers[2].Dense.activation",
        "3 hidden layers have a sigmoid",
    ),
    "bottleneck": (["layers[2].Dense.units=4"], "layers[2].Dense.units", "4 units come before a layer of 32"),
    "bottleneck before the output": (
        ["layers[3].Dense.units=5"],
        "layers[3].Dense.units",
        "5 units come before a layer of 10",
    ),
    "size": (
        ["layers[2].Dense.units=400", "callbacks=[]"],
        "layers",
        "39,",
    ),
    "default rate": (["optimizer=SGD"], "optimizer", "SGD runs at its default learning rate, 0.01"),
    "large batch": (
        ["fit.batch_size=64"],
        "fit.batch_size",
        "batches of 64 rows start at the full learning rate",
    ),
    "patience": (
        ["fit.epochs=10"],
        "callbacks[0].EarlyStopping.patience",
        "EarlyStopping waits 10 epochs in a run of 10",
    ),
    "mode": (
        ["callbacks[0].EarlyStopping.monitor=val_accuracy", "callbacks[0].EarlyStopping.mode=min"],
        "callbacks[0].EarlyStopping.mode",
        "EarlyStopping treats lower val_accuracy as better",
    ),
    "not restored": (
        ["callbacks[0].EarlyStopping.restore_best_weights=false"],
        "callbacks[0].EarlyStopping",
        "EarlyStopping keeps the weights of the last epoch",
    ),
}


def _advice(check_json: CheckJson, text: str, settings: list[str]) -> list[dict[str, Any]]:
    arguments = [part for setting in settings for part in ("--set", setting)]
    advice: list[dict[str, Any]] = check_json(text, *arguments)["advice"]
    return advice


@pytest.mark.parametrize("case", ADVICE)
def test_a_rule_of_thumb_is_advice_with_its_reason(case: str, check_json: CheckJson) -> None:
    settings, path, seen = ADVICE[case]
    (advice,) = _advice(check_json, DIGITS, settings)
    assert advice["path"] == path
    assert advice["seen"].startswith(seen)
    assert advice["mend"]
    assert advice["reason"]


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["fit.batch_size=64", "optimizer={SGD: {learning_rate: {CosineDecay: "
         "{initial_learning_rate: 0.0, decay_steps: 100, warmup_target: 0.1, warmup_steps: 50}}}}"],
        ["fit.batch_size=64", "optimizer={AdamW: {global_clipnorm: 1.0}}"],
        ["layers[2].Dense.units=1000", "callbacks=[]", "layers[2].Dense.kernel_regularizer={L2: {}}"],
        ["layers[0]=Flatten", "layers[1]=Normalization"],
    ],
)  # fmt: skip
def test_what_follows_the_rules_gets_no_advice(settings: list[str], check_json: CheckJson) -> None:
    assert _advice(check_json, DIGITS, settings) == []


def test_skewed_classes_are_advised_about(check_json: CheckJson, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(SKEWED)
    spec = "dataset: {path: t.csv, target: kind}\nlayers: [Dense: {units: 1, activation: sigmoid}]\n"
    (advice,) = check_json(spec + "loss: binary_crossentropy\n")["advice"]
    assert advice["seen"] == "the classes are skewed: 122 rows of no, 6 of yes"
    assert check_json(spec + "loss: binary_crossentropy\nmetrics: [BinaryAccuracy, AUC]\n")["advice"] == []
    assert check_json(spec + "loss: binary_crossentropy\nmetrics: [BinaryAccuracy]\n")["advice"] == [advice]


def test_labels_that_may_be_classes_are_advised_about(check_json: CheckJson, tmp_path: Path) -> None:
    rows = "".join(f"{n % 7}.5,{int(n % 3 == 0)},{int(n % 3 == 1)},{int(n % 3 == 2)}\n" for n in range(60))
    (tmp_path / "t.csv").write_text("a,p,q,r\n" + rows)
    spec = "dataset: {path: t.csv, target: [p, q, r]}\nlayers: [Dense: {units: 3, activation: sigmoid}]\n"
    (advice,) = check_json(spec + "loss: binary_crossentropy\n")["advice"]
    assert (advice["path"], advice["seen"]) == ("loss", "every row has exactly one of 3 labels")


def test_advice_is_shown_with_its_place_and_can_be_left_out(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file(TINY + "callbacks: [EarlyStopping: {patience: 9, restore_best_weights: true}]\n")
    result = mlpcli("check", spec)
    assert result.status == 0
    assert (
        f"advice {spec}:12:39 callbacks[0].EarlyStopping.patience: EarlyStopping waits 9 epochs in a run of 5; "
        "lower patience or raise fit.epochs because it never stops a run of 5 epochs; it only restores the "
        "best epoch's weights next "
    ) in " ".join(result.out.split())
    assert max(len(line) for line in result.out.replace(str(spec), "s.yaml").splitlines()) <= 80
    settings = ["--set", "optimizer={Adam: {learning_rate: 0.1}}", "--set", "fit.epochs=9"]
    shown = mlpcli("check", spec, "--no-advice", *settings).out
    assert "advice  " not in shown
    quoted = "'optimizer={Adam: {learning_rate: 0.1}}'"
    assert shown.endswith(f"next    mlpcli train {spec} --set {quoted} --set fit.epochs=9\n")


def test_the_parameters_of_one_member_are_compared_with_the_rows(check_json: CheckJson) -> None:
    """Iris: 4 factors, 5 for each shared unit, and 3 for each plus 3 of the member's own layer."""
    layers = (
        "[Members: {count: 4}, Dense: {units: 200}, MemberDense: {units: 3, activation: softmax}, MemberMean]"
    )
    spec = TINY.partition("layers:")[0] + f"layers: {layers}\nloss: sparse_categorical_crossentropy\n"
    assert not [each for each in _advice(check_json, spec, []) if "parameters" in each["seen"]]
    advice = _advice(check_json, spec, ["layers[1].Dense.units=400"])
    (seen,) = (each["seen"] for each in advice if "parameters" in each["seen"])
    assert seen.startswith("4 members of 3,207 parameters each are trained on ")


@pytest.mark.slow
def test_train_notes_advice_briefly(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    spec = spec_file(TINY.replace("epochs: 5", "epochs: 1").replace("batch_size: 16", "batch_size: 48"))
    line = (
        f"advice: {spec}:11:30 fit.batch_size: batches of 48 rows start at the full learning rate; "
        "use 32, or add a warm-up or global_clipnorm, and tune the learning rate again for this batch size"
    )
    train = ("train", spec, "--runs-dir", tmp_path / "runs", "--set", "fit.engine=graph")
    shown = mlpcli(*train).out
    assert line in " ".join(shown.split())
    assert max(map(len, shown.replace(str(tmp_path), "").splitlines())) <= 80
    assert "advice: " not in mlpcli(*train, "--no-advice").out
