"""Every mistake of a command is reported at once, as far as one does not depend on another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpcli.errors import AllAtOnce, DataError, Problem, RunError, SpecError, UsageError
from mlpcli.spec.load import load_text
from tests.bare_runs import train_bare
from tests.conftest import Result

EXISTS = "the file exists already; add --force to replace it, or choose another with -o"

WRONG: dict[str, tuple[str, ...]] = {
    "init t.csv --target prise --task clas --effort bset --split twon -o there.yaml": (
        f"-o there.yaml: {EXISTS}",
        "--effort: must be fast, good or best, received 'bset'; did you mean 'best'?",
        "--task: must be classification or regression, received 'clas'; did you mean 'classification'?",
        "--target: must be a column of the table, received 'prise'; did you mean 'price'?",
        "--split: must be random, or a column of the table, received 'twon'; did you mean 'town'?",
    ),
    "init t.cvs --target price -o no/where.yaml --charset latn1": (
        "-o no/where.yaml: there is no folder no",
        "--charset: must be a character set",
        "t.cvs: there is no such file; did you mean 't.csv'?",
    ),
    "inspect t.csv --target prise --task number": (
        "--target: must be a column of the table",
        "--task: must be classification or regression, received 'number'; did you mean 'regression'?",
    ),
    "predict gone none.csv -o there.csv --rejects there.csv --on-unknown nul": (
        f"-o there.csv: {EXISTS}",
        "--rejects there.csv: the file exists already",
        "--on-unknown: must be error, bucket or null, received 'nul'; did you mean 'null'?",
        "there is no run 'gone' under /",
        "none.csv: there is no such file",
    ),
    "evaluate gone --data none.csv": ("there is no run 'gone'", "none.csv: there is no such file"),
    "label-check gone -o there.csv": ("there is no run 'gone'", f"-o there.csv: {EXISTS}"),
    "pack gone -o there.csv": ("there is no run 'gone'", "-o there.csv: a packed run is a .zip"),
    "doctor gone -o there.yaml": ("there is no run 'gone'", f"-o there.yaml: {EXISTS}"),
    "report gone lost -o there.csv": ("no run 'gone'", "no run 'lost'", "-o there.csv: a page is .html"),
    "compare gone lost -o t.csv/x.png": ("no run 'gone'", "no run 'lost'", "-o t.csv/x.png: cannot be"),
    "export gone --format onnx --quantize int8": ("no run 'gone'", "only a LiteRT file has int8"),
    "code there.yaml -o there.csv": ("dataset: is required", f"-o there.csv: {EXISTS}"),
    "lr-find there.yaml --steps 2 -o t.csv/x.png": ("dataset: is required", "-o t.csv/x.png: cannot be"),
    "more-data there.yaml --sizes few -o there.png": (
        "dataset: is",
        "--sizes: each",
        f"-o there.png: {EXISTS}",
    ),
}


@pytest.mark.parametrize("command", WRONG)
def test_a_file_that_exists_hides_no_other_mistake(
    command: str, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("size,town,price\n" + "".join(f"{n},{'ab'[n % 2]},{n * 2}\n" for n in range(40)))
    for name in ("there.yaml", "there.csv", "there.png"):
        Path(name).write_text("layers: [Flatten]\n")
    result = mlpcli(*command.split())
    assert (result.status, result.out) == (2, "")
    for message in WRONG[command]:
        assert message in result.err
    there = {name: Path(name).read_text() for name in ("there.yaml", "there.csv", "there.png")}
    assert set(there.values()) == {"layers: [Flatten]\n"}


OF_A_RUN: dict[str, tuple[str, ...]] = {
    "evaluate tiny --data none.csv --by nosuch,predicted_clas --sheet s": (
        "none.csv: there is no such file",
        "--sheet: is for an Excel file, received 'none.csv'",
        "--by nosuch: the rows of run tiny/",
        "--by predicted_clas: the rows of run tiny/",
    ),
    "evaluate tiny --data t.csv --by nosuch --query q": (
        "--query: is for a database, received 't.csv'",
        "t.csv: none of the 4 columns of the model is in it",
        "--by nosuch: the rows have no such column",
    ),
    "predict tiny none.csv --on-unknown nul --explain --class setsa --group a,b": (
        "none.csv: there is no such file",
        "--on-unknown: must be error",
        "--class setsa: run tiny/",
        "--group: the run has no column 'a'",
        "--group: the run has no column 'b'",
    ),
    "predict tiny t.csv --keep nosuch": (
        "--keep: t.csv has no column 'nosuch'",
        "t.csv: none of the 4 columns of the model is in it",
    ),
    "explain tiny --split tset --metric acuracy": (
        "has no tset split; did you mean 'test'?",
        "--metric acuracy: run tiny/",
    ),
    "compare tiny tiny --split tset --metric acuracy": (
        "--split: no run has this split, received 'tset'",
        "--metric: is not a metric that all runs have, received 'acuracy'",
    ),
    "compare tiny gone --metric acuracy": ("there is no run 'gone'",),
    "label-check tiny -o no/where.csv": (
        "-o no/where.csv: there is no folder no",
        "has no predictions of rows that its model was not trained on",
    ),
    "inspect none.csv --against gone --target x --fail-on bad --charset latn1": (
        "--charset: must be a character set",
        "none.csv: there is no such file",
        "--target: is not for --against",
        "--fail-on: must be small",
        "there is no run 'gone'",
    ),
    "inspect none.csv --target x --test lost.csv --fail-on small": (
        "none.csv: there is no such file",
        "lost.csv: there is no such file",
        "--fail-on: is for a comparison with a run",
    ),
}


@pytest.mark.parametrize("command", OF_A_RUN)
def test_a_missing_file_hides_no_mistake_in_an_option(
    command: str,
    tiny_run: Path,
    mlpcli: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("size,target\n1,setosa\n2,virginica\n")
    result = mlpcli(*command.split(), "--runs-dir", tiny_run)
    assert (result.status, result.out) == (2, "")
    for message in OF_A_RUN[command]:
        assert message in result.err
    assert len(OF_A_RUN[command]) == 1 or f"{len(OF_A_RUN[command])} problems found" in result.err


def test_a_column_to_keep_is_looked_for_in_the_own_rows_of_a_run_where_the_file_is_missing(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("id,size,price\n" + "".join(f"r{n},{n},{2 * n}\n" for n in range(40)))
    spec = "dataset: {path: t.csv, target: price, features: [size], validation: 0.2}\nloss: mse\n"
    Path("s.yaml").write_text(spec + "layers: [{Dense: {units: 1}}]\nfit: {epochs: 1, engine: graph}\n")
    train_bare(Path("s.yaml"), Path("runs"))
    wrong = mlpcli("predict", "s", "none.csv", "--keep", "id,idd").err
    assert "none.csv: there is no such file" in wrong
    assert "has no column 'idd'; did you mean 'id'?" in wrong
    assert "or none.csv has it, once it can be read" in wrong
    assert "2 problems found" in wrong
    Path("t.csv").rename("elsewhere.csv")  # then nothing is known of the columns that new rows may have
    assert "problems found" not in mlpcli("predict", "s", "none.csv", "--keep", "id,idd").err


def test_names_of_a_spec_are_checked_with_its_layers_and_before_tensorflow(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("training.forecast", "tuning.begin_search", "training.start"):
        monkeypatch.setitem(sys.modules, f"mlpcli.{module}", None)  # it is not imported
    text = "dataset: {name: iriss, validation: 0.2}\nlayers: [{Dnse: 3}]\nloss: mse\n"
    (tmp_path / "a.yaml").write_text(text)
    for command in ("check", "train", "tune", "lr-find"):
        error = mlpcli(command, tmp_path / "a.yaml").err
        assert "dataset.name: must be one of digits, iris" in error
        assert "received 'iriss'; did you mean 'iris'?" in error
        assert "unknown layer, received 'Dnse'" in error
        assert ("there is nothing to search" in error) is (command == "tune")
    text = "dataset: {name: iris, validation: 0.2}\nlayers: [{Dense: {units: 3}}]\nmetrics: [accuracy, AUC]\n"
    text += "tuner: {objective: val_acuracy}\ncallbacks: [{EarlyStopping: {monitor: val_auk}}]\n"
    (tmp_path / "b.yaml").write_text(text)
    for command in ("check", "tune"):
        error = mlpcli(command, tmp_path / "b.yaml").err
        assert "b.yaml:4:8 tuner: there is nothing to search" in error
        assert "b.yaml:4:20 tuner.objective: no metric has this name, received 'val_acuracy'" in error
        assert "b.yaml:5:39 callbacks[0].EarlyStopping.monitor: no metric has this name" in error
        assert "available: loss, accuracy, auc, val_loss, val_accuracy, val_auc" in error


MISREAD: dict[str, tuple[str, ...]] = {
    "scalng: none, features: [size, twon]": ("scalng: unknown key", "features[1]: must be a column"),
    "validation: {shar: 0.2, by: twon}": ("shar: unknown key", "validation.by: must be a column"),
    "validation: {share: 2, by: twon}": ("share: must be a fraction", "validation.by: must be a column"),
    "validation: {hp: choice, values: [0.1, 0.2]}": (),
    "features: {siz: {kind: numerc}, twon: {}}": (
        "siz.kind: must be one of",
        "features.siz: must be a column",
        "features.twon: must be a column",
    ),
    "missing: {}, validation: gone.csv": (
        "missing: must be",
        "validation: there is no such file, received 'gone.csv'",
    ),
}


@pytest.mark.parametrize("keys", MISREAD)
def test_columns_are_looked_for_with_what_can_be_read_of_a_wrong_dataset(
    keys: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(
        "size,town,price\n" + "".join(f"{n},{'ab'[n % 2]},{n}\n" for n in range(40))
    )
    text = f"dataset: {{path: t.csv, target: prise, {keys}}}\nlayers: [{{Dnse: 3}}]\nloss: mse\n"
    (tmp_path / "a.yaml").write_text(text)
    error = mlpcli("check", tmp_path / "a.yaml").err
    for message in ("target: must be a column", "unknown layer, received 'Dnse'", *MISREAD[keys]):
        assert message in error
    assert f"{2 + len(MISREAD[keys])} problems found" in error


INPUTS: dict[str, tuple[str, ...]] = {
    "a: {columns: [siez, 0]}, b: {columns: twon}": (
        "a.columns[0]: must be a feat",
        "b.columns: must be a feat",
    ),
    "a: {columns: [siez], kind: x}, b: {columns: '0:2'}": (
        "a.columns[0]: must be a feature of the dataset, received 'siez'; did you mean 'size'?",
        "a.kind: unknown key",
    ),
    "a: {columns: [size, price]}, b: {columns: [town]}": ("a.columns[1]: must be a feature",),
    "a: {columns: [size]}, b: {columns: town}": (),
}


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("wrong", ["scalng: none", "features: [size, town, prise]"])
def test_columns_of_inputs_are_looked_for_beside_other_mistakes(
    inputs: str, wrong: str, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(
        "size,town,price\n" + "".join(f"{n},{'ab'[n % 2]},{n}\n" for n in range(40))
    )
    layers = "layers: [{Dense: {units: 2}, from: a, name: h}, {Dnse: 3, from: b}]\n"
    text = f"dataset: {{path: t.csv, target: price, {wrong}}}\ninputs: {{{inputs}}}\nloss: mse\n{layers}"
    (tmp_path / "a.yaml").write_text(text)
    error = mlpcli("check", tmp_path / "a.yaml").err
    for message in INPUTS[inputs]:
        assert f"inputs.{message}" in error
    assert error.count("inputs.") == len(INPUTS[inputs])
    assert "unknown layer, received 'Dnse'" in error


KNOWN = (
    ("metrics: [accuracy]", "val_accuracy"),
    ("metrics: [mae]", "val_mean_absolute_error"),
    ("metrics: [{F1Score: {average: null}}]", "val_f1_score_setosa"),
    ("metrics: [{AUC: {name: area}}]", "val_area"),
    ("metrics: []", "loss"),
    ("seed: 1", "val_whatever"),
    ("metrics: {a: [mae]}\nloss: {a: mse}", "val_a_mae"),
    ("metrics: {a: [mae]}\nloss: {a: mse}", "val_a_loss"),
)


@pytest.mark.parametrize(("metrics", "name"), KNOWN)
def test_a_name_that_may_be_logged_is_left_to_the_model(metrics: str, name: str, tmp_path: Path) -> None:
    text = "dataset: {name: iris, validation: 0.2}\nlayers: [{Dense: {units: 3}, name: a}]\n"
    spec = f"{text}{metrics}\ntuner: {{objective: {{name: {name}, direction: max}}}}\n"
    load_text(spec, tmp_path / "s.yaml")
    if name != "val_whatever":
        with pytest.raises(SpecError, match="no metric has this name"):
            load_text(spec.replace(f"name: {name}", "name: val_zzz"), tmp_path / "s.yaml")


def test_errors_of_one_kind_stay_of_this_kind_and_no_problem_comes_twice() -> None:
    at_once = AllAtOnce()
    at_once.finish()
    for rule in ("a", "b", "a"):
        with at_once:
            raise RunError(rule)
    with pytest.raises(RunError, match=r"^a\nb$"):
        at_once.finish()
    with at_once:
        raise DataError("c")
    with pytest.raises(UsageError, match=r"^a\nb\nc$"):
        at_once.finish()
    several = AllAtOnce()
    for _ in range(2):
        with several:
            raise SpecError(Problem("must be a number", received=[1, {"a": 2}]))
    with pytest.raises(SpecError, match=r"^must be a number, received [^\n]*$"):  # once: a list has no hash
        several.finish()
    with pytest.raises(KeyError), at_once:
        raise KeyError
