"""Room and leave to write are asked for where a command writes, and names are looked up where it should."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlpcli.runs.folder import find_run
from tests.conftest import SMALL_SEARCH, TINY, Result
from tests.training.test_stops import small_disk  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow

COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "SPEC"),
    "reproduce": ("reproduce", "tiny"),
    "continue": ("train", "--continue", "tiny"),
    "tune": ("tune", "SEARCH"),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose disks are asked for room; there is none."""
    places: list[Path] = []

    def usage(place: Path) -> SimpleNamespace:
        places.append(Path(place))
        return SimpleNamespace(free=1)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return places


@pytest.mark.parametrize("command", COMMANDS)
def test_room_is_asked_for_in_the_experiments_folder(
    command: str,
    asked: list[Path],
    tiny_run: Path,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(tiny_run, tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "elsewhere")
    files = {"SPEC": spec_file(TINY, "a.yaml"), "SEARCH": spec_file(SMALL_SEARCH, "b.yaml")}
    arguments = [files.get(word, word) for word in COMMANDS[command]]
    result = mlpcli(*arguments, "--runs-dir", tmp_path / "runs")
    assert result.status == 1
    assert f"{tmp_path}/runs has 1 byte free" in result.err
    assert asked == [tmp_path / "runs" / ("tiny" if command != "tune" else "")]


def test_a_run_that_goes_on_asks_for_room_in_its_own_folder(
    asked: list[Path], tiny_run: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "runs")
    folder = find_run("tiny", tmp_path / "runs").folder
    record = (folder / "run.json").read_text()
    (folder / "run.json").write_text(record.replace('"status": "completed"', '"status": "interrupted"'))
    result = mlpcli("train", "--resume", "tiny", "--runs-dir", tmp_path / "runs")
    assert result.status == 1
    assert f"{folder} has 1 byte free" in result.err
    assert asked == [folder]


def test_a_search_that_goes_on_asks_for_room_in_its_own_folder(
    asked: list[Path], searched: Path, mlpcli: Callable[..., Result], tmp_path: Path
) -> None:
    shutil.copytree(searched, tmp_path / "runs")
    folder = find_run("small", tmp_path / "runs").folder
    result = mlpcli("tune", "--resume", folder, "--trials", 4, "--runs-dir", tmp_path)
    assert result.status == 1
    assert asked == [folder]


def test_a_search_does_not_ask_where_it_was_started(
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "full").mkdir()
    monkeypatch.chdir(tmp_path / "full")
    usage = shutil.disk_usage
    full = SimpleNamespace(free=0)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: full if Path(place).samefile(Path()) else usage(place)
    )
    spec = spec_file(SMALL_SEARCH.replace("max_trials: 3", "max_trials: 1, promote: 0"))
    result = mlpcli("tune", spec, "--runs-dir", tmp_path / "runs", "--set", "fit.epochs=1")
    assert result.status == 0, result.err


def test_an_experiment_whose_folder_is_a_file_is_refused_at_once(
    mlpcli: Callable[..., Result], spec_file: Callable[[str, str], Path], tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir()
    for name, verb, text in (("tiny", "train", TINY), ("small", "tune", SMALL_SEARCH)):
        (tmp_path / "runs" / name).touch()
        result = mlpcli(verb, spec_file(text, f"{name}.yaml"), "--runs-dir", tmp_path / "runs")
        assert result.status == 2
        assert result.err.startswith(
            f"{tmp_path}/runs cannot be the runs folder: {tmp_path}/runs/{name} is a file"
        )


def test_a_run_or_search_on_a_read_only_disk_is_not_gone_on_with(
    small_disk: Path,  # noqa: F811
    tiny_run: Path,
    searched: Path,
    mlpcli: Callable[..., Result],
) -> None:
    import subprocess

    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    for runs_dir in (tiny_run, searched):
        shutil.copytree(runs_dir, small_disk / "runs", dirs_exist_ok=True)
    record = find_run("tiny", small_disk / "runs").folder / "run.json"
    record.write_text(record.read_text().replace('"completed"', '"interrupted"'))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for verb, name in (("train", "tiny"), ("tune", "small")):
        result = mlpcli(verb, "--resume", name, "--runs-dir", small_disk / "runs")
        assert (result.status, result.out.replace("starting TensorFlow\n", "")) == (2, "")
        assert "is on a read-only file system; make it writable, or copy the folder" in result.err


@pytest.mark.parametrize(
    "command", ["code", "lr-find", "lr-find by default", "more-data", "init", "predict", "rejects", "compare"]
)
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    command: str,
    tiny_run: Path,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "table.csv").write_text("a,b\n1,2\n3,4\n")
    into = tmp_path / "file" / "out"
    spec, runs = spec_file(TINY), ("--runs-dir", tiny_run)
    one = find_run("tiny", tiny_run).folder
    other = shutil.copytree(one, tmp_path / "other")
    arguments: dict[str, tuple[object, ...]] = {
        "code": ("code", spec, "-o", into),
        "lr-find": ("lr-find", spec, "-o", into),
        "lr-find by default": ("lr-find", spec, "--runs-dir", into),
        "more-data": ("more-data", spec, "-o", into),
        "init": ("init", tmp_path / "table.csv", "--target", "b", "-o", into),
        "predict": ("predict", "tiny", tmp_path / "table.csv", "-o", f"{into}.csv", *runs),
        "rejects": ("predict", "tiny", tmp_path / "table.csv", "--rejects", f"{into}.csv", *runs),
        "compare": ("compare", one, other, "-o", into),
    }
    result = mlpcli(*arguments[command])
    assert (result.status, result.out) == (2, "")
    assert "is a file" in result.err or "there is no folder" in result.err
    assert (tmp_path / "file").is_file()


def test_a_folder_in_an_outputs_place_is_refused_with_force_too(
    mlpcli: Callable[..., Result], spec_file: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "script.py").mkdir()
    result = mlpcli("code", spec_file(TINY), "-o", tmp_path / "script.py", "--force")
    assert result.status == 2
    assert "is a folder, not a file" in result.err


START = TINY.replace("name: tiny", "name: again") + "start_from: {run: tiny, layers: [dense]}\n"


@pytest.mark.uncounted
def test_the_run_that_a_network_starts_from_is_looked_for_in_the_runs_folder(
    tiny_run: Path,
    mlpcli: Callable[..., Result],
    spec_file: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(tiny_run, tmp_path / "other")
    monkeypatch.chdir(tmp_path)  # where `runs`, the default, is not
    spec = spec_file(START)
    result = mlpcli("lr-find", spec, "--steps", 20, "--runs-dir", "other")
    assert result.status == 0, result.err
    assert mlpcli("train", spec, "--runs-dir", "other", "--set", "fit.epochs=1").status == 0
    record = find_run("again", tmp_path / "other").folder / "run.json"
    record.write_text(record.read_text().replace('"completed"', '"interrupted"'))
    resumed = mlpcli("train", spec, "--set", "fit.epochs=1", "--resume", "again", "--runs-dir", "other")
    assert "there is no run 'tiny'" not in resumed.err
    assert resumed.status == 0, resumed.err


def test_init_finds_its_data_from_where_the_spec_really_lies(
    mlpcli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "specs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "specs")
    (tmp_path / "table.csv").write_text("a,b\n" + "".join(f"{i},{i % 3 * 1.5}\n" for i in range(60)))
    monkeypatch.chdir(tmp_path)
    result = mlpcli("init", "table.csv", "--target", "b", "-o", "link/spec.yaml")
    assert result.status == 0, result.err
    assert mlpcli("check", "link/spec.yaml").status == 0
