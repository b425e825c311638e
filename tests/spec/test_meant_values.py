"""Numbers and other values as a newcomer writes them: each is corrected to the YAML as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpcli.spec.load import load_text
from tests.spec.meant import DENSE, GOOD, Replaced, assert_corrected, load_corrected

REPLACED: Replaced = {
    "a quotient": ("0.5", "1/255", "3:24 layers[0].Rescaling.scale", "0.00392156863"),
    "a quotient of floats": ("0.5", "1./255.", "3:24 layers[0].Rescaling.scale", "0.00392156863"),
    "a number in quotes": ("units: 8", "units: '8'", "4:20 layers[1].Dense.units", "8"),
    "a float for an integer": ("units: 8", "units: 8.0", "4:20 layers[1].Dense.units", "8"),
    "a percentage as rate": (DENSE, "Dropout: {rate: 50%}", "4:21 layers[1].Dropout.rate", "0.5"),
    "fifty for 50%": (DENSE, "Dropout: {rate: 50}", "4:21 layers[1].Dropout.rate", "0.5"),
    "a power": ("0.01", "10**-2", "7:35 optimizer.Adam.learning_rate", "0.01"),
    "a decimal comma": ("{name: iris}", "\n  name: iris\n  test: 0,2", "3:9 dataset.test", "test: 0.2"),
    "a percentage as split": ("iris}", "iris, test: 20%}", "1:29 dataset.test", "test: 0.2"),
    "a quotient as split": ("iris}", "iris, validation: 1/5}", "1:35 dataset.validation", "validation: 0.2"),
    "epochs in quotes": ("fit: {", "fit: {epochs: '5', ", "9:15 fit.epochs", "5"),
    "1e3 epochs": ("fit: {", "fit: {epochs: 1e3, ", "9:15 fit.epochs", "1000"),
    "a flag in quotes": ("fit: {", "fit: {shuffle: 'True', ", "9:16 fit.shuffle", "true"),
    "3x3": (
        DENSE,
        "Conv2D: {filters: 8, kernel_size: 3x3}",
        "4:39 layers[1].Conv2D.kernel_size",
        "kernel_size: [3, 3]",
    ),
    "a tuple in a flow mapping": (
        DENSE,
        "Conv2D: {filters: 8, kernel_size: (3, 3)}",
        "4:39 layers[1].Conv2D.kernel_size",
        "kernel_size: [3, 3]",
    ),
    "several widths": (
        "units: 8",
        "units: [16, 32]",
        "4:20 layers[1].Dense.units",
        "Dense: {units: 16, activation: relu}, then Dense: {units: 32, activation: relu}",
    ),
    "no activation": ("relu}", "None}", "4:35 layers[1].Dense.activation", "linear"),
}

SHORTENED = {"several widths", "a tuple in a flow mapping"}
"""Whose corrections are several, or stand for a text that YAML reads as something else."""


@pytest.mark.parametrize("name", REPLACED)
def test_a_value_in_another_form_is_corrected(name: str) -> None:
    assert_corrected(*REPLACED[name])


@pytest.mark.parametrize("name", [name for name in REPLACED if name not in SHORTENED])
def test_the_correction_is_a_spec(name: str) -> None:
    right, wrong, place, written = REPLACED[name]
    load_corrected(GOOD.replace(right, wrong, 1), place, written)


def test_texts_that_look_like_numbers_stay_texts_where_texts_are_wanted() -> None:
    lookup = "StringLookup: {vocabulary: ['1/2', '50%'], mask_token: '0', oov_token: '1'}"
    text = GOOD.replace(DENSE, lookup).replace(
        "name: iris", "path: a.csv, target: '50%', missing: ['1/2', '0']"
    )
    spec = load_text(text, Path("s.yaml")).spec
    assert (spec.dataset.target, spec.dataset.missing) == ("50%", ["1/2", "0"])
    assert spec.layers[1].arguments == {"vocabulary": ["1/2", "50%"], "mask_token": "0", "oov_token": "1"}
