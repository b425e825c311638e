"""`export`: files of other formats, each loaded by its own runtime and held against `predict`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from mlpcli.data.dataset import Contract, Output
from mlpcli.data.features.encoders import NumericEncoder
from mlpcli.data.features.verification_sample import Sample
from mlpcli.data.quantiles import Quantiles
from mlpcli.errors import UsageError
from mlpcli.export import docker_folder, export_formats
from mlpcli.export.compare_results import differences
from mlpcli.export.converting import ExportError
from mlpcli.export.example_code import example_code
from mlpcli.export.given_columns import shift_of, too_fine
from mlpcli.export.openvino_file import leave_telemetry_out
from mlpcli.inference.quantized_scores import scores_of
from mlpcli.keras_import import tf
from mlpcli.model import normal_values, plain_normal
from mlpcli.report.export import show_docker
from tests.conftest import Result

SPEC = """
name: houses
dataset: {path: houses.csv, target: {price: price, kind: kind}, test: 20, validation: 20, scaling: quantile,
          target_scaling: quantile, features: {built: {kind: date, parts: [elapsed, month, hour]}}}
layers:
  - {Dense: {units: 4, activation: relu}, name: shared}
  - {Dense: {units: 1}, name: price, from: shared}
  - {Dense: {units: 3, activation: softmax}, name: kind, from: shared}
loss: {price: mse, kind: sparse_categorical_crossentropy}
fit: {epochs: 2}
"""


def _table() -> str:
    lines = ["size,first town,built,garden,made,price,kind"]
    for row in range(80):
        size = "" if row % 17 == 5 else f"{30 + row * 1.5:.3f}"
        town = ("Ulm", "Bonn", "Köln", "")[row % 4]
        built = "" if row % 11 == 3 else f"{1950 + row}-0{1 + row % 9}-11 {row % 24:02}:30:15"
        made = 1_700_000_000 + row * 37
        lines.append(f"{size},{town},{built},{('yes', 'no')[row % 2]},{made},{row**2},{'abc'[row % 3]}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a table, and under `runs` a run of two outputs."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("houses")
    (folder / "houses.csv").write_text(_table(), encoding="utf-8")
    (folder / "houses.yaml").write_text(SPEC, encoding="utf-8")
    command = ["train", str(folder / "houses.yaml"), "--runs-dir", str(folder / "runs")]
    assert main(command) == 0
    return folder


@pytest.mark.slow
def test_every_format_of_a_table_computes_what_predict_does(
    houses: Path, mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    formats = ("--format", "onnx", "--format", "litert")
    result = mlpcli("export", "houses", *formats, "--runs-dir", houses / "runs", "--json")
    assert result.status == 0, result.err
    found = {each["format"]: each for each in json.loads(result.out)["exported"]}
    assert set(found) == {"onnx", "litert"}
    for each in found.values():
        assert each["rows"] == 80
        assert set(each["differences"]) >= {"price_value", "kind_probabilities"}
        assert each["difference"] < 1e-5
    assert {each["dtype"] for each in found["onnx"]["inputs"]} == {"float64", "string"}
    assert {each["name"] for each in found["onnx"]["inputs"]} == {*_table().split("\n")[0].split(",")[:5]}
    made = next(each for each in found["litert"]["inputs"] if each["column"] == "made")
    assert 0 <= made["less"] - 1_700_000_000 < 80 * 37  # float32 has no digits for seconds
    described = json.loads((tmp_path / "houses.tflite.json").read_text())
    town = next(each for each in described["inputs"] if each["column"] == "first town")
    assert {"Ulm", "Bonn", "Köln", ""} <= set(town["codes"])
    for each in found.values():
        exec(each["example"], {})
    again = mlpcli("export", "houses", *formats, "--runs-dir", houses / "runs")
    assert again.status == 2
    assert "houses.onnx exists already" in again.err
    assert "add --force" in again.err


def test_the_normal_distribution_by_arithmetic_is_scipys() -> None:
    tails = np.logspace(-7, np.log10(0.5), 200)
    assert np.abs(np.array(plain_normal.normal_of_tail(tf.constant(tails))) + ndtri(tails)).max() < 1e-13
    distances = np.linspace(0, 6, 200)
    found = np.array(plain_normal.tail_of_normal(tf.constant(distances)))
    assert np.abs(found / ndtr(-distances) - 1).max() < 1e-13


@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_quantiles_by_arithmetic_are_those_of_training(margin: float) -> None:
    rows = np.round(np.random.default_rng(0).exponential(size=500), 1)
    quantiles = Quantiles.of(rows, 40, margin)
    values = np.concatenate([rows, quantiles.table, [-1.0, 99.0]])
    normal = quantiles.to_normal(values)
    with plain_normal.by_arithmetic():
        there = np.array(normal_values.to_normal(tf.constant(values[:, None]), [quantiles]))[:, 0]
        back = np.array(normal_values.from_normal(tf.constant(normal), [quantiles]))
    assert np.abs(there - normal).max() < 1e-9
    assert np.abs(back - quantiles.from_normal(normal)).max() < 1e-9


def test_numbers_with_too_few_digits_go_in_less_a_constant() -> None:
    seconds = NumericEncoder("made", fill=0, lowest=1.7e9, highest=1.7e9 + 3600)
    years = NumericEncoder("year", fill=0, offset=1990.3, lowest=1900, highest=2020)
    assert too_fine(seconds) == 1.7e9
    assert too_fine(years) == 0
    assert shift_of(years) == float(np.float32(1990.3))


CLASSES = Contract("array", (), (2,), "float32", (Output(("sort",), "classes", ("no", "yes")),))
SAMPLE = Sample({}, np.zeros((3, 2), np.float32), np.array([0, 4, 8]), "rows.csv")
CHANCES = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])


def _compared(**changes: Any) -> dict[str, float]:
    wanted = {"probabilities": CHANCES, "index": np.array([0, 1, 1])}
    return differences(CLASSES, wanted, wanted | changes, 1e-3, SAMPLE)


def test_another_class_is_an_error_but_where_rounding_decides() -> None:
    assert _compared(index=np.array([0, 1, 0])) == {"probabilities": 0.0, "index": 0.0}
    with pytest.raises(ExportError, match=r"for rows.csv row 5 its index is 0, that of predict 1; 1 of 3"):
        _compared(index=np.array([0, 0, 1]))


def test_other_numbers_no_numbers_and_other_shapes_are_errors() -> None:
    assert _compared(probabilities=CHANCES + 1e-6)["probabilities"] == pytest.approx(1e-6)
    for wrong in (np.where(CHANCES == 0.2, 0.21, CHANCES), np.where(CHANCES == 0.8, np.nan, CHANCES)):
        with pytest.raises(ExportError, match=r"rows.csv row 5 its probabilities is"):
            _compared(probabilities=wrong)
    with pytest.raises(ExportError, match=r"has the shape \(3, 1\)"):
        _compared(probabilities=CHANCES[:, :1])


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        export_formats.check_installed(["keras", "onnx", "litert"])
    assert [each.headline() for each in caught.value.problems] == [
        f'--format {name} needs {packages} not installed; run: pip install "mlpcli[{name}]"'
        for name, packages in (
            ("onnx", "tf2onnx, onnx and onnxruntime, which are"),
            ("litert", "ai-edge-litert, which is"),
        )
    ]


def test_an_output_without_an_ending_is_a_folder(tmp_path: Path) -> None:
    def path(name: str, output: str, *, several: bool = False) -> str:
        target = export_formats.target_of(name, "houses", tmp_path / output, several=several)
        return str(target.relative_to(tmp_path))

    (tmp_path / "v1.2").mkdir()
    assert path("onnx", "exported") == path("onnx", "exported", several=True) == "exported/houses.onnx"
    assert path("onnx", "v1.2") == "v1.2/houses.onnx"
    assert path("onnx", "net.onnx") == "net.onnx"
    assert path("saved_model", "exported") == "exported"
    with pytest.raises(UsageError, match=r"ends in .onnx, received .*; name a file houses.onnx, or a folder"):
        path("onnx", "net.txt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--format: say what to write: saved_model, onnx, litert, openvino, keras"),
        (("--format", "onnx", "--quantize", "int8"), "--quantize int8: only a LiteRT file has int8"),
        (("--format", "onnx", "-o", "net.txt"), "-o: a file of the format onnx ends in .onnx"),
    ],
)
def test_wrong_options_end_before_anything_is_loaded(
    houses: Path, mlpcli: Callable[..., Result], options: tuple[str, ...], message: str
) -> None:
    result = mlpcli("export", "houses", *options, "--runs-dir", houses / "runs")
    assert result.status == 2
    assert message in result.err


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("saved_model", "file", "file is a file, and this format is a folder"),
        ("docker", "file", "file is a file, and this format is a folder"),
        ("keras", "folder", "folder is a folder, not a file"),
        ("keras", "file/x.keras", "x.keras cannot be written: .*file is a file"),
        ("openvino", "x.xml", "x.bin is a folder, not a file"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(
    name: str, path: str, message: str, tmp_path: Path
) -> None:
    from mlpcli.export.export_formats import check_targets

    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.bin").mkdir()
    with pytest.raises(UsageError, match=f"-o: .*{message}"):
        check_targets({name: tmp_path / path}, force=True)
    check_targets({"saved_model": tmp_path / "folder", "keras": tmp_path / "new" / "x.keras"}, force=True)
    with pytest.raises(UsageError, match="folder exists already"):
        check_targets({"saved_model": tmp_path / "folder"}, force=False)


def test_a_request_is_read_back_as_the_rows_that_it_was_made_of() -> None:
    rows = {"first town": np.array(["Ulm", "Köln"]), "size": np.array([30.5, 61.0])}
    text = json.dumps(docker_folder.request_of(rows, table=True))
    found = docker_folder.read_request(text, {"first town": "string", "size": "float64"}, table=True)
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in rows.items()
    }
    images = {"rows": np.arange(8, dtype=np.uint8).reshape(2, 2, 2)}
    text = json.dumps(docker_folder.request_of(images, table=False))
    (back,) = docker_folder.read_request(text, {"rows": "uint8"}, table=False).values()
    assert back.dtype == np.uint8
    assert (back == images["rows"]).all()
    assert docker_folder.answer_of({"value": np.ones((2, 1))}) == {"predictions": [[1.0], [1.0]]}


def test_a_dockerfile_copies_the_model_that_its_server_loads(tmp_path: Path) -> None:
    docker_folder.write_texts(tmp_path, "My_run", "My run/1", 2, [{"name": "size", "dtype": "float64"}])
    lines = (tmp_path / "Dockerfile").read_text().splitlines()
    assert {"COPY models/My_run /models/My_run", "ENV MODEL_NAME=My_run"} <= {*lines}
    assert [line.split()[0] for line in lines if not line.startswith("#")][:2] == ["ARG", "FROM"]
    readme = (tmp_path / "README.md").read_text()
    assert "curl -s -d @request.json http://localhost:8501/v1/models/My_run:predict" in readme
    assert "docker build -t my-run ." in readme


def test_commands_and_programs_can_be_pasted_whatever_names_hold(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"run": "My_run/1", "folder": "my served", "model": "My_run", "difference": 0.0}
    show_docker(found | {"image": docker_folder.image_tag("My_run")})
    shown = capsys.readouterr().out
    assert "docker build -t my-run 'my served'\n" in shown
    assert "curl -s -d @'my served'/request.json http://localhost:8501/v1/models/My_run:predict" in shown
    inputs = [{"name": 'a "b"', "codes": {"x": 1}}]
    code = example_code("onnx", Path('my "net".onnx'), inputs, {'a "b"': np.array([1])})
    compile(code, "code", "exec")
    assert """'my "net".onnx'""" in code


def test_what_int8_costs_is_measured_in_the_targets_own_units() -> None:
    number = Output(("price",), "numbers", name="price", scale=(10.0,), offset=(100.0,))
    sort = Output(("sort",), "classes", ("no", "yes"), name="sort")
    contract = Contract("array", (), (2,), "float32", (number, sort))
    y = {"price": np.array([0.0, 1.0], np.float32), "sort": np.array([0, 1])}
    before = {"price_value": np.array([[100.0], [110.0]]), "sort_index": np.array([0, 1])}
    after = {"price_value": np.array([[103.0], [107.0]]), "sort_index": np.array([1, 1])}
    price, kind = scores_of(contract, "test", y, before, after)
    assert (price.metric, price.before, price.after) == ("RMSE", 0.0, 3.0)
    assert (kind.metric, kind.split, kind.rows, kind.before, kind.after) == ("accuracy", "test", 2, 1.0, 0.5)


def test_openvino_sends_no_usage_data() -> None:
    leave_telemetry_out()
    from openvino.tools.ovc import convert_impl, telemetry_utils

    for module in (telemetry_utils, convert_impl):
        assert module.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
