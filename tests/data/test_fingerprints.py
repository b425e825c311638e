"""The data of runs that earlier versions trained is known again: its fingerprint stays what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlpcli.spec.load import Kept, load_spec
from mlpcli.training.find_data import load_data

EVERY_KIND = """target: y, target_scaling: standardize, features: {
  a: {kind: numeric, scaling: robust}, town: {kind: categorical}, old: {kind: boolean},
  note: {kind: text, max_tokens: 9}, at: {kind: date, parts: [elapsed, weekday]}}"""

NOVEMBER_28 = {
    "dates, with hours": (
        "target: y, features: {at: {kind: date, parts: [elapsed, month, hour]}}",
        "aa39e42d845968f7f150a4df50b4cbe2db9caf980c416dae34f61c8107d2a569",
    ),
    "every kind": (
        EVERY_KIND,
        "315884e5943a6bc0bb31b3e9c837b8e19d37a3e948ed49ccb263617622a38289",
    ),
    "numbers and categories": (
        "target: y, features: {a: {kind: numeric, scaling: quantile}, town: {kind: categorical}}",
        "a2c955c6a7d71dcb6f7dfb2a377e9946e57bccaa00356b19208552d3ebb09b2c",
    ),
}
"""The fingerprints of the table below in version 0.1 of that day, by what the spec says of it."""


@pytest.mark.parametrize("case", NOVEMBER_28)
def test_the_data_of_an_earlier_run_is_the_same(case: str, tmp_path: Path) -> None:
    lines = ["a,town,old,note,at,y"]
    for row in range(64):
        town, old = ("Ulm", "Bonn", "Köln")[row % 3], ("yes", "no")[row % 2]
        note = f"small {town} flat, {('quiet', 'sunny')[row % 2]}"
        at = f"2024-{1 + row % 12:02}-{1 + row % 28:02} {row % 24:02}:00"
        lines.append(f'{row % 8 * 0.5},{town},{old},"{note}",{at},{row % 16}')
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    section, known = NOVEMBER_28[case]
    (tmp_path / "s.yaml").write_text(
        f"dataset: {{path: t.csv, test: {{last: 16}}, validation: {{last: 16}}, {section}}}\n"
        "layers: [Dense: {units: 1}]\nloss: mse\n"
    )
    loaded = replace(load_spec(tmp_path / "s.yaml"), numbers="float64")
    assert load_data(replace(loaded, kept=Kept(tmp_path, known))).fingerprint == known
