"""Names of files and columns that are made of names from outside: each once, in any script."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from mlpcli.cli.more_data import free_name as unused_name
from mlpcli.data.dataset import Contract, Output, Split
from mlpcli.free_names import beside, file_part, free_file, free_name
from mlpcli.model.trained_model import TrainedModel


@pytest.mark.parametrize(
    ("text", "part"),
    [("town", "town"), ("a b/c", "a_b_c"), ("面积", "面积"), ("größe", "größe"), ("../x", "x"), ("?!", "")],
)
def test_a_name_as_a_part_of_a_files_name(text: str, part: str) -> None:
    assert file_part(text) == part
    assert len(f"residuals_by_column-{file_part(text * 400)}.png".encode()) < 255


def test_no_name_is_given_twice() -> None:
    taken: set[str] = set()
    assert [free_file(stem, ".png", taken) for stem in ("a", "A", "a", "a-2")] == [
        "a.png",
        "A-2.png",
        "a-3.png",
        "a-2-2.png",
    ]
    assert free_name("x", {"x", "x_2"}) == "x_3"


def test_no_column_of_the_data_is_lost_beside_ours() -> None:
    assert beside({"y": 1, "y_input": 2, "z": 3}, {"y"}) == {"y_input_2": 1, "y_input": 2, "z": 3}


@pytest.mark.parametrize("names", [("面积", "价格"), ("a b", "a/b"), ("A", "a"), ("x" * 60, "x" * 60 + "y")])
def test_targets_of_any_names_have_figures_and_tables_of_their_own(
    names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.inference import evaluation_figures
    from mlpcli.plots.drawing import Drawing

    monkeypatch.setattr(evaluation_figures, "begin", lambda *_, **__: lambda: Drawing(b"png", b"svg"))
    outputs = tuple(Output((name,), name=name) for name in names)
    contract = Contract(kind="array", shape=(1,), dtype="float32", features=(), outputs=outputs)
    x = np.ones((4, 1), np.float32)
    y = {name: np.arange(4.0)[:, None] for name in names}
    predicted = {name: values + place for place, (name, values) in enumerate(y.items())}
    trained = cast(TrainedModel, type("Trained", (), {"contract": contract})())
    split: Any = Split(x, y, np.arange(4))
    files = evaluation_figures.draw_evaluation(trained, split, predicted, tmp_path, title="t")
    tables = [file for file in files if file.suffix == ".csv"]
    assert len({file.name.lower() for file in files}) == len(files) == 4
    heads = [file.read_text(encoding="utf-8").splitlines()[0] for file in tables]
    assert heads == [f"row,{name},predicted_{name},error" for name in names]


def test_a_second_measurement_of_more_data_has_a_name_of_its_own(tmp_path: Path) -> None:
    first = tmp_path / "more_data.png"
    assert unused_name(first) == first
    (tmp_path / "more_data.json").touch()
    assert unused_name(first).name == "more_data_2.png"
    (tmp_path / "more_data_2.png").touch()
    assert unused_name(first).name == "more_data_3.png"
