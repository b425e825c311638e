"""Whether three digits behind a comma are decimals or thousands, judged by the cells beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpcli.data.inspect.survey import read_whole, survey_table

SPELLED = ["Basic", "basic ", "BASIC", "ﬁne", "fine", "Plus"]


def test_categories_that_look_alike_are_named(tmp_path: Path) -> None:
    rows = [f"{SPELLED[at % 6]},{at % 2}" for at in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["plan,y", *rows]) + "\n", encoding="utf-8")
    (found,) = (note for note in survey_table(str(tmp_path / "t.csv"), "y").table.notes if "alike" in note)
    assert "'plan'" in found
    assert "'Basic' in 10 rows" in found
    assert "'basic' in 10 rows" in found
    assert "and 1 other group" in found
    plain = [f"{'abc'[at % 3]},{at % 2}" for at in range(60)]
    (tmp_path / "p.csv").write_text("\n".join(["plan,y", *plain]) + "\n", encoding="utf-8")
    assert not any("alike" in note for note in survey_table(str(tmp_path / "p.csv"), "y").table.notes)


BESIDE = ["12", "540", "25,859", "77", "903", "8"]


@pytest.mark.parametrize(
    ("cells", "others", "number"),
    [
        pytest.param(BESIDE, ["x"], 25859.0, id="whole-numbers-beside-it"),
        pytest.param([*BESIDE, "-140"], ["x"], 25859.0, id="a-negative-one-too"),
        pytest.param([*BESIDE, "3,5"], ["x"], 25.859, id="another-cell-shows-a-decimal-comma"),
        pytest.param([*BESIDE, "7345"], ["x"], 25.859, id="a-thousand-without-a-separator"),
        pytest.param(["12,345", "25,859", "9,035"], ["x"], 25.859, id="nothing-beside-it"),
        pytest.param(BESIDE, ["3,5", "4,25"], 25.859, id="another-column-shows-a-decimal-comma"),
    ],
)
def test_a_comma_is_judged_by_the_cells_beside_it(
    cells: list[str], others: list[str], number: float, tmp_path: Path
) -> None:
    rows = [f"{cell};{others[at % len(others)]};{at}" for at, cell in enumerate(cells * 5)]
    (tmp_path / "t.csv").write_text("\n".join(["size;other;y", *rows]) + "\n", encoding="utf-8")
    table = read_whole(str(tmp_path / "t.csv"))
    values = table.columns["size"].numbers.values
    assert number in values.tolist()
