"""Wrong `--set` options and the exact message for each: the flag, the rule, what was received, what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.spec.refusals import GOOD, assert_refused

WRONG_SETTINGS: dict[str, list[str]] = {
    "epochs=5": ["--set epochs=5 epochs: unknown key, received 'epochs'; write --set fit.epochs=5"],
    "fit.epochs=0": [
        "--set fit.epochs=0 fit.epochs: must be a positive number of epochs, received 0",
    ],
    "fit.epoch=3": [
        "--set fit.epoch=3 fit.epoch: unknown key, received 'epoch'; write --set fit.epochs=3",
    ],
    "layers[0].Dense.units=-1": [
        "--set layers[0].Dense.units=-1 layers[0].Dense.units: must be a positive integer, received -1",
    ],
    "layers[4].Dense.units=1": [
        "--set layers[4].Dense.units=1: the path does not exist: there is no [4] in a list of 1; at [4].Dense.units",
    ],
    "layers[0].Dense.activaton=relu": [
        "--set layers[0].Dense.activaton=relu layers[0].Dense.activaton: Dense has no such argument, received 'activaton'; did you mean 'activation'?",
    ],
    "fit.epochs": [
        "--set fit.epochs: must be path=value; for example --set fit.epochs=5",
    ],
    "=3": [
        "--set =3: '' is not a path; start with a key of the spec",
    ],
    "dataset.features.a.b[=3": [
        "--set dataset.features.a.b[=3: 'dataset.features.a.b[' is not a path; write keys with dots and list positions in brackets: layers[0].Dense.units; a key with a dot or a bracket in quotes: --set 'dataset.features[\"size.m2\"]=ignore'",
    ],
    "fit.epochs+=3": [
        "--set fit.epochs+=3: the path does not exist: '+=' adds to a list, not to 5; at fit.epochs",
    ],
    "metrics+=acuracy": [
        "--set metrics+=acuracy metrics[1]: unknown metric, received 'acuracy'; did you mean 'accuracy'?",
    ],
    "extends=base.yaml": [
        "--set extends=base.yaml extends: must be written in the file, not on the command line, received 'base.yaml'",
    ],
    "optimizer=Adm": [
        "--set optimizer=Adm optimizer: unknown optimizer, received 'Adm'; did you mean 'Adam'?",
    ],
    "fit.epochs=[1": [
        "--set fit.epochs=[1: this [ is never closed; write [1]",
    ],
    "dataset.validation={last: 0}": [
        "--set dataset.validation={last: 0} dataset.validation.last: must be a positive number of rows, or a fraction below 1, received 0",
    ],
    "name=no": [
        "--set name=no: some YAML readers read this as a boolean, received no; write false, or 'no' in quotes for a string",
    ],
    "layers[0]=Flaten": [
        "--set layers[0]=Flaten layers[0]: unknown layer, received 'Flaten'; did you mean 'Flatten'?",
    ],
}
"""Settings on a good spec, and the expected lines."""


@pytest.mark.parametrize("setting", WRONG_SETTINGS)
def test_wrong_setting_names_the_flag(
    setting: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    spec = spec_file(GOOD + "metrics: [accuracy]\nfit: {epochs: 5}\n")
    result = mlpcli("train", spec, "--runs-dir", spec.parent / "runs", "--set", setting)
    assert_refused(result, spec, WRONG_SETTINGS[setting])
