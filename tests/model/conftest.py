"""What several files of these tests use."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.every_output import TABLE


@pytest.fixture(scope="module")
def beside_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder, with the table: all specs of a module lie beside it."""
    folder = tmp_path_factory.mktemp("outputs")
    with (folder / "t.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(TABLE)
        writer.writerows(zip(*(column.tolist() for column in TABLE.values()), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
