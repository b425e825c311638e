"""Messages of `--set` and of values that are nearly right: each says what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import SpecError
from mlpcli.spec.load import load_spec
from mlpcli.spec.schema import Spec

SPEC = """\
dataset: {path: t.csv, target: y}
layers:
  - Dense: {units: 8}
  - {Members: {count: 2}, name: mem}
  - Dense: {units: 4}
  - MemberDense: {units: 1, activation: sigmoid}
  - MemberMean
loss: binary_crossentropy
callbacks: [EarlyStopping: {patience: 3}]
optimizer: {Adam: {learning_rate: 0.1}}
"""

DECAY = "{CosineDecay: {initial_learning_rate: 0.1, decay_steps: {share: 1.0}}}"

# setting: (the rule, the hint)
WRONG = {
    "layers[2].Members.count=4": ("layers[2] is Dense", "Members is layers[1]"),
    "layers[1].Dense.units=4": ("layers[1] is Members", "Dense is layers[0] or layers[2]"),
    "layers[4].Dropout.rate=0.1": (
        "layers[4] is MemberMean",
        "to replace it, write --set 'layers[4]={Dropout: {rate: 0.1}}'",
    ),
    "optimizer.SGD.momentum=0.9": (
        "optimizer is Adam",
        "to replace it, write --set 'optimizer={SGD: {momentum: 0.9}}'",
    ),
    "layers.members.Members.count=4": ("layers is a list", "write layers[1].Members.count"),
    "layers.mem.count=4": ("layers is a list", "write layers[1].Members.count"),
    "layers.Dense.units=4": ("layers is a list", "write layers[0].Dense.units or layers[2].Dense.units"),
    "callbacks.EarlyStopping.patience=4": (
        "callbacks is a list",
        "write callbacks[0].EarlyStopping.patience",
    ),
    "layers.foo=4": ("layers is a list", "write a number: layers[0] is Dense"),
    "fit.class_weight={Yes:3}": ("must be 'balanced'", "a space must follow the colon: write Yes: 3"),
    "optimizer.Adam.weight_decay='0,01'": ("must be", "the decimal sign is a point: write 0.01"),
    "optimizer.Adam.weight_decay='1 000'": ("must be", "a number has no spaces or commas: write 1000"),
    "dataset.features={a: embedding}": ("must be", "write {kind: categorical, encoding: embedding}"),
    "dataset.features={a: {kind: embedding}}": ("must be", "write {kind: categorical, encoding: embedding}"),
    "optimizer.Adam.learning_rate={CosineDecay: {initial_learning_rate: 0.1}}": (
        "CosineDecay needs the argument 'decay_steps'",
        f"add decay_steps: {{share: 1.0}}, the whole training: write {DECAY}",
    ),
}


@pytest.mark.parametrize("setting", WRONG)
def test_a_setting_that_is_nearly_right_is_told_with_what_to_write(
    setting: str, spec_file: Callable[[str], Path]
) -> None:
    rule, hint = WRONG[setting]
    with pytest.raises(SpecError) as caught:
        load_spec(spec_file(SPEC), settings=[setting])
    (problem,) = caught.value.problems
    assert problem.rule.startswith(rule)
    assert problem.advice() == hint
    assert problem.place is not None
    assert setting in problem.place.flag


RIGHT: dict[str, Callable[[Spec], object]] = {
    "layers[2].Dense.units=5": lambda spec: spec.layers[2].arguments == {"units": 5},
    "layers[1].Members.count=5": lambda spec: spec.layers[1].arguments == {"count": 5},
    "optimizer={SGD: {momentum: 0.9}}": lambda spec: spec.optimizer.arguments == {"momentum": 0.9},
    "callbacks+=TerminateOnNaN": lambda spec: (
        [callback.class_name for callback in spec.callbacks] == ["EarlyStopping", "TerminateOnNaN"]
    ),
}


@pytest.mark.parametrize("setting", RIGHT)
def test_a_right_setting_is_taken_and_nothing_else_is_changed(
    setting: str, spec_file: Callable[[str], Path]
) -> None:
    before, after = (load_spec(spec_file(SPEC), settings=each).spec for each in ((), (setting,)))
    assert RIGHT[setting](after)
    key = re.split(r"\W", setting)[0]
    assert {name for name in Spec.model_fields if getattr(before, name) != getattr(after, name)} == {key}


COLUMNS = "dataset: {path: t.csv, target: y, features: {yearly rent: {kind: numeric}}}\nlayers: [Flatten]\n"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("dataset.features.yearly rent", "yearly rent"),
        ('dataset.features["yearly rent"]', "yearly rent"),
        ("dataset.features['yearly rent']", "yearly rent"),
        ("dataset.features.Größe", "Größe"),
        ('dataset.features["size.m2"]', "size.m2"),
        ('dataset.features["a[1]=b+"]', "a[1]=b+"),
        ("""dataset.features['5" pipe']""", '5" pipe'),
    ],
)  # fmt: skip
def test_a_setting_reaches_a_column_of_any_name(tmp_path: Path, path: str, name: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(COLUMNS + "loss: mse\n", encoding="utf-8")
    features = load_spec(file, settings=[f"{path}=ignore"]).spec.dataset.features
    assert isinstance(features, dict)
    assert features[name].kind == "ignore"
    with pytest.raises(SpecError) as caught:  # and what is wrong there is named by a path that --set takes
        load_spec(file, settings=[f"{path}.kind=wrong"])
    (problem,) = caught.value.problems
    shown = str(problem).split(f"--set {path}.kind=wrong ")[1].split(": ")[0]
    with pytest.raises(SpecError) as again:
        load_spec(file, settings=[f"{shown}=wrong"])
    assert again.value.problems[0].path == problem.path
