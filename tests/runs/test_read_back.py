"""What a run wrote down reads back as itself: resumed, evaluated and so on, wherever it lies."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mlpcli.errors import RunError, SpecError
from mlpcli.model.run_spec import own_spec
from mlpcli.runs.folder import Run, find_run, open_run
from mlpcli.spec.load import load_spec
from mlpcli.spec.resolve import inline
from mlpcli.spec.yaml_reader import parse_text
from tests.conftest import Result
from tests.training.stopped_runs import Quiet, Stopping

pytestmark = pytest.mark.slow

OLD = Path(__file__).parents[1] / "old_runs"
"""Runs made before specs were compared by what they mean: `listed` is finished, with features in a list,
`inferred` was killed after two of four epochs."""


def write_rows(path: Path, seed: int = 1) -> Path:
    """A table of three numbers, a town with gaps, a date, a truth, and a target."""
    draw = random.Random(seed)
    lines = ["a,b,c,town,day,lift,y"]
    for row in range(60):
        a, b, c = (round(draw.uniform(-1, 1), 3) for _ in range(3))
        town, lift = draw.choice(["Ulm", "no", "Bonn"]), draw.random() < 0.5
        gap = "" if row % 9 == 0 else str(b)
        day = f"2024-0{1 + row % 9}-1{row % 10}"
        lines.append(f"{a},{gap},{c},{town},{day},{'yes' if lift else 'no'},{2 * a - b + lift:.3f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_spec(path: Path, dataset: str, more: str = "") -> Path:
    layers = "layers:\n  - Dense: {units: 3, activation: relu}\n  - Dense: {units: 1}\n"
    fit = "fit: {epochs: 4, batch_size: 16, engine: graph, checkpoint: {every: 1}}\n"
    fit += "callbacks: [TensorBoard: false]\n"
    path.write_text(f"dataset: {{{dataset}}}\n{layers}{fit}{more}", encoding="utf-8")
    return path


def killed(spec: Path, runs_dir: Path) -> Path:
    """Train until the second of four epochs ends; the run's folder."""
    from mlpcli.training.session import train

    with pytest.raises(KeyboardInterrupt):
        train(load_spec(spec), runs_dir=runs_dir, watcher=Stopping(2, KeyboardInterrupt("SIGINT")))
    return find_run(spec.stem, runs_dir, unfinished=True).folder


def resume(run: Run, spec: Path | None = None, settings: Sequence[str] = ()) -> Quiet:
    """Go on with a run to its end, as `train [SPEC] --resume RUN --set ...`, without what takes long."""
    from mlpcli.training.job import TrainOptions
    from mlpcli.training.resume import resume_run

    watcher = Quiet()
    loaded = load_spec(spec) if spec else own_spec(run, settings) if settings else None
    quick = TrainOptions(saved_model=False, figures=False, baseline=False)
    assert resume_run(run, loaded, watcher=watcher, options=quick).epochs == 4
    assert not [note for note in watcher.notes if "may differ from that of an uninterrupted run" in note]
    return watcher


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data, spec and a killed run of inferred columns; a test that changes it copies it."""
    folder = tmp_path_factory.mktemp("study") / "study"
    write_rows(folder / "data" / "rows.csv")
    killed(write_spec(folder / "spec.yaml", "path: data/rows.csv, target: y"), folder / "runs")
    return folder


@pytest.fixture
def copy(study: Path, tmp_path: Path) -> Path:
    """A copy of the study in another place, under another name."""
    return Path(shutil.copytree(study, tmp_path / "copied"))


def find(folder: Path) -> Run:
    return find_run("spec", folder / "runs", unfinished=True)


def test_inferred_columns_are_no_change(copy: Path) -> None:
    resume(find(copy), copy / "spec.yaml")
    assert "copied/data/rows.csv" in (find(copy).folder / "resolved.yaml").read_text()


def test_a_moved_folder_is_gone_on_with_without_its_spec(copy: Path, study: Path) -> None:
    shutil.move(study, study.with_name("away"))
    try:
        notes = resume(find(copy)).notes
    finally:
        shutil.move(study.with_name("away"), study)
    assert any(str(copy / "data" / "rows.csv") in note and "moved" in note for note in notes)


def test_the_copy_beside_a_run_counts_where_the_rows_at_the_old_place_are_others(
    copy: Path, study: Path
) -> None:
    before = (study / "data" / "rows.csv").read_text()
    write_rows(study / "data" / "rows.csv", seed=2)
    try:
        resume(find(copy))
    finally:
        (study / "data" / "rows.csv").write_text(before)


@pytest.mark.parametrize(
    "form", ["absolute", "from the current folder", "a link", "a link with another ending"]
)
def test_data_that_moved_while_the_run_stayed(
    form: str, copy: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "elsewhere").mkdir()
    there = shutil.move(copy / "data" / "rows.csv", copy / "elsewhere" / "store")
    (copy / "elsewhere" / "table.csv").symlink_to(there)
    if form == "a link with another ending":
        (copy / "data" / "rows.csv").symlink_to(there)
        resume(find(copy), copy / "spec.yaml")
        assert mlpcli("evaluate", find(copy).folder).status == 0  # the ending says what a file is
        return
    if form == "a link":
        (copy / "linked").symlink_to(copy / "elsewhere")
    place = {"absolute": copy / "elsewhere" / "table.csv", "a link": copy / "linked" / "table.csv"}
    monkeypatch.chdir(copy / "elsewhere")
    given = (find(copy).folder / "spec.yaml").read_text()
    resume(find(copy), settings=[f"dataset.path={place.get(form, 'table.csv')}"])
    assert "elsewhere/table.csv" in (find(copy).folder / "resolved.yaml").read_text()
    assert (find(copy).folder / "spec.yaml").read_text() == given


def test_other_rows_and_another_network_are_refused_wherever_they_lie(copy: Path) -> None:
    renamed = (copy / "spec.yaml").rename(copy / "renamed.yaml")
    resume_of = find(copy)
    renamed.write_text(renamed.read_text().replace("units: 3", "units: 4"))
    with pytest.raises(RunError, match=r"Dense\.units has changed: 3 then, 4 now") as refused:
        resume(resume_of, renamed)
    assert len(refused.value.problems) == 2, "nothing else has changed"
    renamed.write_text(renamed.read_text().replace("units: 4", "units: 3"))
    write_rows(copy / "data" / "rows.csv", seed=2)
    with pytest.raises(RunError, match="the data has changed"):
        resume(resume_of, renamed)


def test_a_changed_column_is_named_with_the_data(copy: Path) -> None:
    write_spec(copy / "spec.yaml", "path: data/rows.csv, target: y, features: {town: ignore}")
    with pytest.raises(RunError, match=r"features\.town has changed(?s:.)*the data has changed"):
        resume(find(copy), copy / "spec.yaml")


@pytest.mark.uncounted
def test_listed_features_on_a_table_that_has_more(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    rows = write_rows(tmp_path / "rows.csv")
    spec = write_spec(tmp_path / "listed.yaml", "path: rows.csv, target: y, features: [b, a]")
    assert mlpcli("train", spec, "--runs-dir", tmp_path / "runs").status == 0
    lines = rows.read_text().splitlines()  # and a column came since, which was not asked for
    rows.write_text("\n".join([f"{lines[0]},late", *(f"{line},{len(line)}" for line in lines[1:])]) + "\n")
    done = mlpcli("evaluate", "listed", "--runs-dir", tmp_path / "runs", "--json")
    trained = json.loads((find_run("listed", tmp_path / "runs").folder / "metrics.json").read_text())
    assert done.status == 0, done.err
    assert "changed" not in done.err
    assert json.loads(done.out)["metrics"] == pytest.approx(trained["test"])
    done = mlpcli("train", "--continue", "listed", "--epochs", 1, "--runs-dir", tmp_path / "runs")
    assert done.status == 0, done.err
    done = mlpcli("reproduce", "listed", "--runs-dir", tmp_path / "runs")
    assert done.status == 0, done.err


def test_runs_of_an_earlier_version_are_read(tmp_path: Path, mlpcli: Callable[..., Result]) -> None:
    folder = Path(shutil.copytree(OLD, tmp_path / "old"))
    trained = json.loads((find_run("listed", folder / "runs").folder / "metrics.json").read_text())
    done = mlpcli("evaluate", "listed", "--runs-dir", folder / "runs", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["metrics"] == pytest.approx(trained["test"], rel=1e-4)
    resume(find_run("inferred", folder / "runs", unfinished=True), folder / "inferred.yaml")
    done = mlpcli("train", "--continue", "listed", "--epochs", 1, "--runs-dir", folder / "runs")
    assert done.status == 0, done.err
    done = mlpcli("train", "--resume", find_run("inferred", folder / "runs").folder)
    assert "finished" in done.out


@pytest.mark.uncounted
def test_splits_in_files_move_along(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    for seed, name in enumerate(("rows", "held", "tested")):
        write_rows(folder / f"{name}.csv", seed)
    (folder / "own.py").write_text("def steep(x):\n    return 2 * x\n")
    spec = write_spec(
        folder / "spec.yaml",
        "path: rows.csv, target: y, validation: held.csv, test: tested.csv",
        "plugins: [own.py]\nmetrics: [mae]\n",
    )
    killed(spec, folder / "runs")
    other = Path(shutil.copytree(folder, tmp_path / "two"))
    shutil.rmtree(folder)
    twin = Path(shutil.copytree(other, tmp_path / "three"))
    resume(find(other), other / "spec.yaml")
    resume(find(twin))


@pytest.mark.uncounted
def test_the_run_that_another_starts_from_moves_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "one"
    write_rows(folder / "rows.csv")
    base = write_spec(folder / "base.yaml", "path: rows.csv, target: y")
    resume(open_run(killed(base, folder / "runs")), base)
    start = "start_from: {run: base, freeze: true, layers: [dense]}\n"
    spec = write_spec(folder / "spec.yaml", "path: rows.csv, target: y", start)
    monkeypatch.chdir(folder)
    killed(spec, folder / "runs")
    other = Path(shutil.copytree(folder, tmp_path / "two"))
    monkeypatch.chdir(other)
    shutil.rmtree(folder)
    newer = find_run("base", other / "runs").folder
    shutil.copytree(newer, newer.with_name("2999-01-01_00-00-00"))  # another run of that name, trained since
    twin = Path(shutil.copytree(other, tmp_path / "three"))
    resume(find(other), other / "spec.yaml")
    resume(find(twin))


SEARCH = """\
dataset:
  path: {hp: choice, values: ['data/o, ther.csv', data/rows.csv], name: file}
  target: y
  validation: data/rows.csv
layers: [Dense: {units: {hp: int, min: 2, max: 4, name: units}}, Dense: {units: 1}]
loss: mse
fit: {epochs: 1}
tuner: {max_trials: 2, promote: 0}
"""


def test_a_search_that_chooses_from_files_moves_along(
    tmp_path: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpcli.tuning.trial_states import TrialStates

    folder = tmp_path / "one"
    write_rows(folder / "data" / "rows.csv")
    write_rows(folder / "data" / "o, ther.csv", seed=2)
    (folder / "search.yaml").write_text(SEARCH)
    finish = TrialStates.finish

    def stop(self: TrialStates, number: int, result: object) -> None:
        finish(self, number, result)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrialStates, "finish", stop)
        assert mlpcli("tune", folder / "search.yaml", "--runs-dir", folder / "runs").status == 130
    other = Path(shutil.move(folder, tmp_path / "two"))
    twin = Path(shutil.copytree(other, tmp_path / "three"))
    done = mlpcli("tune", "--resume", "search", "--runs-dir", other / "runs")
    assert done.status == 0, done.err
    done = mlpcli("tune", twin / "search.yaml", "--resume", "search", "--runs-dir", twin / "runs")
    assert done.status == 0, done.err


def test_a_value_in_one_line_reads_back_inside_brackets() -> None:
    for value in [
        "a, b",
        "]",
        "# a",
        "a: b",
        "no",
        "01",
        "a\nb",
        "x y " * 60,
        1e-7,
        float("inf"),
        None,
        True,
    ]:
        assert parse_text(f"found: {{in: {inline(value)}}}", "best.yaml").data == {"found": {"in": value}}


def test_the_resolved_spec_of_a_wide_table_reads_back(tmp_path: Path) -> None:
    columns = "".join(
        f"    c{n}: {{kind: numeric, scaling: standardize, missing: mean}}\n" for n in range(6000)
    )
    dataset = f"dataset:\n  path: wide.csv\n  target: y\n  features:\n{columns}"
    text = f"name: wide\n{dataset}layers: [Dense: {{units: 1}}]\n"
    resolved, typed = tmp_path / "resolved.yaml", tmp_path / "wide.yaml"
    resolved.write_text(text, encoding="utf-8")
    typed.write_text(text, encoding="utf-8")
    features = load_spec(resolved).spec.dataset.features
    assert features is not None
    assert len(features) == 6000
    with pytest.raises(SpecError, match="contains more than 20,000 values"):
        load_spec(typed)
