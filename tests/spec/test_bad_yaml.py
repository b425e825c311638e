"""Texts that are no YAML, or YAML that a spec may not use, and the exact message for each.

Every case goes through the command line: exit status 2, nothing on stdout, no run folder, no traceback.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.spec.refusals import DATA, GOOD, LAYERS, LOSS, Wrong, assert_refused

WRONG_YAML: Wrong = {
    "empty": (
        "",
        [
            "SPEC:1:1: the spec is empty; write at least dataset, layers, loss and optimizer",
        ],
    ),
    "only comments": (
        "# nothing\n",
        [
            "SPEC:1:1: the spec is empty; write at least dataset, layers, loss and optimizer",
        ],
    ),
    "not a mapping": (
        "- a\n- b\n",
        [
            "SPEC:1:1: a spec must be a mapping; write keys such as dataset:, layers:, loss:",
        ],
    ),
    "two documents": (
        DATA + "---\n" + LAYERS,
        [
            "SPEC:2:1: contains more than one YAML document; write one spec in each file",
        ],
    ),
    "tab": (
        "dataset:\n\tname: iris\n",
        [
            'SPEC:2:1: a tab cannot indent YAML; use spaces: write "  name: iris"',
        ],
    ),
    "colon in a value": (
        "dataset: name: iris\n",
        [
            "SPEC:1:14: a mapping on the line of its key needs brackets; write dataset: {name: iris}",
        ],
    ),
    "bracket not closed": (
        "dataset: {name: iris\n" + LAYERS,
        [
            "SPEC:1:10: this { is never closed; write dataset: {name: iris}",
        ],
    ),
    "self-holding anchor": (
        DATA + "layers: &a [*a]\n" + LOSS,
        [
            "SPEC:2:13: anchor '&a' contains itself",
        ],
    ),
    "alias without anchor": (
        DATA + "layers: *nowhere\n" + LOSS,
        [
            "SPEC:2:9: alias '*nowhere' has no anchor above it",
        ],
    ),
    "billion laughs": (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n",
        [
            "SPEC:1:32: expands to more than 20,000 values; aliases repeat what they refer to: use fewer",
        ],
    ),
    "tag": (
        "seed: !!python/object/apply:os.system [ls]\n" + GOOD,
        [
            "SPEC:1:7 seed: YAML tags are not allowed, received !!python/object/apply:os.system; remove the tag",
        ],
    ),
    "twice the same key": (
        GOOD + "fit: {epochs: 3, epochs: 4}\n",
        [
            "SPEC:4:18 fit.epochs: the key is duplicated in this mapping (first on line 4), received 'epochs'; keep one",
        ],
    ),
    "two merges in one mapping": (
        GOOD + "callbacks: [EarlyStopping: {<<: {patience: 2}, <<: {min_delta: 0.1}}]\n",
        [
            "SPEC:4:48 callbacks[0].EarlyStopping: '<<' is duplicated in this mapping; merge several as a list: <<: [*one, *other]",
        ],
    ),
    "no for a text": (
        "dataset: {name: no}\n" + LAYERS + LOSS,
        [
            "SPEC:1:17 dataset.name: some YAML readers read this as a boolean, received no; write false, or 'no' in quotes for a string",
        ],
    ),
    "octal": (
        GOOD + "seed: 010\n",
        [
            "SPEC:4:7 seed: a number must not begin with 0, received 010; write 10, or '010' in quotes for a string",
        ],
    ),
}

WRONG_BYTES = {
    "latin-1": (b"name: caf\xe9\n", "SPEC:1:10: is not UTF-8 (byte 0xe9); save the file as UTF-8"),
    "utf-16": ("a: b".encode("utf-16"), "SPEC:1:1: is not UTF-8 but UTF-16; save the file as UTF-8"),
    "binary": (
        b"\x00\x01",
        "SPEC:1:1: is not YAML: unacceptable character #x0000: special characters are not allowed; "
        "remove the character",
    ),
}


@pytest.mark.parametrize("case", WRONG_YAML)
def test_wrong_yaml_is_told_with_its_place(
    case: str, mlpcli: Callable[..., Result], spec_file: Callable[[str], Path]
) -> None:
    text, expected = WRONG_YAML[case]
    spec = spec_file(text)
    assert_refused(mlpcli("train", spec, "--runs-dir", spec.parent / "runs"), spec, expected)


@pytest.mark.parametrize("case", WRONG_BYTES)
def test_wrong_bytes_are_told(case: str, mlpcli: Callable[..., Result], tmp_path: Path) -> None:
    content, expected = WRONG_BYTES[case]
    spec = tmp_path / "spec.yaml"
    spec.write_bytes(content)
    assert_refused(mlpcli("train", spec, "--runs-dir", tmp_path / "runs"), spec, [expected])
