"""`pack` and `unpack`: a run arrives whole on another machine, and a zip from a stranger does no harm."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlpcli.export import unpack as unpacking
from mlpcli.export.pack_manifest import MANIFEST, name_problem
from mlpcli.export.unpack import is_bomb
from mlpcli.files import flush_entry, sha256_of
from mlpcli.report.pack import show_unpacked
from tests.conftest import Result

STAMP = "2026-11-28_05-00-00"
OLD_RUNS = Path(__file__).parents[1] / "fixtures" / "version_0_1.tar.gz"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of version 0.1, with plug-ins, a search, and a table: nothing has to be trained."""
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(OLD_RUNS) as archive:
        archive.extractall(folder, filter="data")
    _change(folder / "runs/custom" / STAMP / "run.json", lambda record: record.update(_references(folder)))
    return folder


def _references(folder: Path) -> dict[str, Any]:
    """What the run `custom` refers to: a run that has been moved, and one that is gone."""
    model = folder / "runs/classify" / STAMP / "model.keras"
    start = {"run": f"classify/{STAMP}", "folder": "/srv/elsewhere/classify", "sha256": sha256_of(model)}
    return {"start_from": start, "parent": {"run": f"gone/{STAMP}", "folder": "/srv/gone", "epoch": 1}}


def _change(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def there(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs, and the folder of another machine as the current one."""
    shutil.copytree(kept, tmp_path / "here")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    return tmp_path / "there"


@pytest.fixture
def packed(there: Path, mlpcli: Callable[..., Result]) -> Path:
    """The run `classify` in a zip."""
    done = mlpcli("pack", "classify", "--runs-dir", "../here/runs", "-o", "run.zip")
    assert done.status == 0, done.err
    return there / "run.zip"


def _all(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_arrives_with_what_it_refers_to_its_plugins_and_its_data(
    there: Path, mlpcli: Callable[..., Result]
) -> None:
    here = there.parent / "here"
    done = mlpcli("pack", "custom", "--runs-dir", here / "runs", "-o", "run.zip", "--with-data")
    assert done.status == 0, done.err
    assert f"with     classify/{STAMP} (start_from)" in done.out
    assert f"without  parent gone/{STAMP}, which is gone" in done.out
    assert "data     /srv/example/spec/people.csv" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())
    arrived = mlpcli("unpack", "run.zip", "--json")
    assert arrived.status == 0, arrived.err
    document = json.loads(arrived.out)
    assert [each["why"] for each in document["runs"]] == ["named", "start_from"]
    assert (document["data_missing"], document["plugins"]) == ([], ["plugins/my_parts.py"])
    shutil.copy(here / "spec/people.csv", here / "people.csv")
    for name in ("custom", "classify"):
        found, sent = _all(there / "runs" / name / STAMP), _all(here / "runs" / name / STAMP)
        data = {"packed_data/people.csv": _all(here)["people.csv"]} if name == "custom" else {}
        assert found == sent | data
    refused = mlpcli("evaluate", "custom", "--no-figures")
    assert (refused.status, "--trust-plugins" in refused.err) == (2, True)
    evaluated = mlpcli("evaluate", "custom", "--no-figures", "--trust-plugins", "--json")
    assert evaluated.status == 0, evaluated.err
    metrics = json.loads((there / "runs/custom" / STAMP / "metrics.json").read_text(encoding="utf-8"))
    assert json.loads(evaluated.out)["metrics"]["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-5)
    # Packed again on that machine, with and without the data that came in the zip.
    for options, count in (([], 0), (["--with-data"], 1)):
        again = mlpcli("pack", "custom", "-o", "again.zip", "--force", "--json", *options)
        names = [name for name in json.loads(again.out)["files"] if "packed_data" in name]
        assert len(names) == count


def test_a_search_arrives_whole_without_the_key_of_its_chief(
    there: Path, mlpcli: Callable[..., Result]
) -> None:
    search = there.parent / "here/runs/search" / STAMP
    (search / "chief.json").write_text('{"key": "secret"}', encoding="utf-8")
    (search / "lock").write_text("", encoding="utf-8")
    assert mlpcli("pack", "search", "--runs-dir", search.parent.parent).status == 0
    assert mlpcli("unpack", f"search_{STAMP}.zip").status == 0
    sent = _all(search)
    del sent["chief.json"], sent["lock"]
    assert _all(there / "runs/search" / STAMP) == sent
    assert [each["run"] for each in json.loads(mlpcli("runs", "search", "--json").out)] == [f"search/{STAMP}"]
    inside = mlpcli("pack", f"search/{STAMP}/trials/0001")
    assert (inside.status, f"; mlpcli pack search/{STAMP}" in inside.err) == (2, True)


def test_what_is_not_in_the_zip_is_said(there: Path, mlpcli: Callable[..., Result]) -> None:
    done = mlpcli("pack", "custom", "--runs-dir", "../here/runs", "-o", "run.zip", "--without", "checkpoints")
    said = " ".join(done.out.split())
    assert "not in it: /srv/example/spec/people.csv (fingerprint 5fcf7e02eb8b66fb)" in said
    shutil.rmtree(there.parent / "here")
    arrived = mlpcli("unpack", "run.zip", "--runs-dir", "others")
    assert "without  checkpoints" in arrived.out
    assert "data     /srv/example/spec/people.csv (fingerprint 5fcf7e02eb8b66fb) is not here" in arrived.out
    assert f"next     mlpcli predict custom/{STAMP} ROWS --trust-plugins --runs-dir others" in arrived.out
    assert not (there / "others/custom" / STAMP / "checkpoints").exists()


def test_a_run_that_is_there_stays_unless_force_is_given(packed: Path, mlpcli: Callable[..., Result]) -> None:
    assert mlpcli("unpack", packed).status == 0
    record = Path("runs/classify", STAMP, "run.json")
    whole = _all(Path("runs"))
    _change(record, lambda document: document.update(name="mine"))
    refused = mlpcli("unpack", packed)
    assert (refused.status, "exists already; add --force" in refused.err) == (2, True)
    assert '"mine"' in record.read_text(encoding="utf-8")
    assert mlpcli("unpack", packed, "--force").status == 0
    assert _all(Path("runs")) == whole
    assert [path.name for path in Path("runs").iterdir()] == ["classify"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "run.tar"], "a packed run is a .zip"),
        (["--without", "checkpoint"], "did you mean 'checkpoints'?"),
        (["-o", "run.zip"], "the file exists already; add --force"),
    ],
)
def test_pack_refuses(
    arguments: list[str], message: str, packed: Path, mlpcli: Callable[..., Result]
) -> None:
    refused = mlpcli("pack", "classify", "--runs-dir", "../here/runs", *arguments)
    assert (refused.status, message in refused.err) == (2, True), refused.err
    assert [path.name for path in packed.parent.iterdir()] == ["run.zip"]


def test_a_damaged_or_unfinished_run_is_not_packed(there: Path, mlpcli: Callable[..., Result]) -> None:
    run = there.parent / "here/runs/classify" / STAMP
    _change(run / "run.json", lambda record: record.update(status="interrupted"))
    refused = mlpcli("pack", run, "--without", "checkpoints")
    assert (refused.status, "goes on from these alone" in refused.err) == (2, True), refused.err
    assert mlpcli("pack", run).status == 0
    with (run / "model.keras").open("ab") as file:
        file.write(b"more")
    refused = mlpcli("pack", run, "--force")
    assert (refused.status, "model.keras is damaged: its sha256" in refused.err) == (2, True)
    (run / "link").symlink_to("/etc/hostname")
    assert "is a link" in mlpcli("pack", run, "--force").err


# What a stranger may have put into a zip.

Change = Callable[[dict[str, bytes], dict[str, Any]], object]
MODEL = f"runs/classify/{STAMP}/model.keras"


def _rewrite(file: Path, change: Change, *, attributes: int = 0, extra: str = "", method: int = 0) -> None:
    """Write a zip again after a change of its files, by name, and of its manifest."""
    with zipfile.ZipFile(file) as read:
        files = {name: read.read(name) for name in read.namelist()}
    manifest = json.loads(files.pop(MANIFEST))
    change(files, manifest)
    files.setdefault(MANIFEST, json.dumps(manifest).encode())
    with zipfile.ZipFile(file, "w") as written:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = attributes << 16 if name == extra else 0
            written.writestr(entry, content, method)


def _listed(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _with(name: str, content: bytes = b"x") -> Change:
    """Add a file to a zip and to its manifest."""

    def change(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
        files[name] = content
        manifest["files"][name] = _listed(content)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with("runs/classify/../../../evil"), "leads elsewhere"),
        (_with("/etc/evil"), "leads elsewhere"),
        (_with(f"runs/classify/{STAMP}/..\\evil"), "has a sign that a file's name must not have"),
        (_with("runs/other/x/run.json"), "is of no run that is named"),
        (_with("evil.py"), "is not runs/NAME/TIMESTAMP/FILE"),
        (lambda files, _: files.update({f"runs/classify/{STAMP}/more.py": b"x"}), "not in its manifest"),
        (lambda files, _: files.pop(MODEL), f"lacks {MODEL}"),
        (
            lambda files, _: files.update({MODEL: b"x" + files[MODEL][1:]}),
            "is damaged (its sha256 is another)",
        ),
        (lambda _, manifest: manifest["files"][MODEL].update(bytes=5), "bytes of"),
        (lambda _, manifest: manifest.update(version=2), "by a later version of mlpcli"),
        (lambda _, manifest: manifest.update(format="zip"), f"{MANIFEST} is damaged: format"),
        (lambda _, manifest: manifest["runs"][0].update(run="../evil"), "is damaged: runs.0.run"),
        (lambda _, manifest: manifest["runs"].append({"run": "a/b"}), "a/b has no run.json"),
        (lambda files, _: files.update({MANIFEST: b"{"}), f"{MANIFEST} is damaged"),
        (_with(f"runs/classify/{STAMP}/run.json", b'{"status": 1}'), "run.json is damaged: status"),
    ],
)
def test_a_zip_that_is_not_as_it_says_leaves_nothing(
    change: Change, message: str, packed: Path, mlpcli: Callable[..., Result]
) -> None:
    _rewrite(packed, change)
    _refused(packed, message, mlpcli)


def _refused(file: Path, message: str, mlpcli: Callable[..., Result]) -> None:
    """Nothing is written, not even the folder of the runs, but for what was being checked."""
    refused = mlpcli("unpack", file)
    assert (refused.status, message in refused.err) == (2, True), refused.err
    assert "internal error" not in refused.err
    assert [path for path in file.parent.rglob("*") if path.name not in (file.name, "runs")] == []


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO])
def test_links_and_what_is_no_file_are_refused(
    mode: int, packed: Path, mlpcli: Callable[..., Result]
) -> None:
    _rewrite(packed, lambda files, manifest: None, attributes=mode | 0o777, extra=MODEL)
    message = "model.keras is a link" if mode == stat.S_IFLNK else "model.keras is not an ordinary file"
    _refused(packed, message, mlpcli)


def test_files_that_are_no_packed_run_are_refused(packed: Path, mlpcli: Callable[..., Result]) -> None:
    whole = packed.read_bytes()
    for content, message in (
        (b"", "is not a zip, or is damaged"),
        (b"no zip", "is not a zip, or is damaged"),
        (whole[: len(whole) // 2], "is not a zip, or is damaged"),
    ):
        packed.write_bytes(content)
        _refused(packed, message, mlpcli)
    with zipfile.ZipFile(packed, "w") as other:
        other.writestr("holiday.jpg", b"x")
    _refused(packed, f"is not a packed run (it has no {MANIFEST})", mlpcli)
    assert "there is no such file" in mlpcli("unpack", "nowhere.zip").err
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 255  # inside the bytes of a file
    packed.write_bytes(damaged)
    _refused(packed, "is damaged", mlpcli)


def test_a_file_longer_than_it_says_is_cut_off(packed: Path, mlpcli: Callable[..., Result]) -> None:
    """The sizes in a zip's own lists are lies: a megabyte of zeros is said to be 4 bytes."""
    size, name = 2**20 + 12_345, f"runs/classify/{STAMP}/zeros"
    _rewrite(packed, _with(name, bytes(size)), method=zipfile.ZIP_DEFLATED)
    lied = packed.read_bytes().replace(struct.pack("<I", size), struct.pack("<I", 4))
    packed.write_bytes(lied)
    _refused(packed, f"holds 4 bytes of {name}, not {size:,}", mlpcli)
    with zipfile.ZipFile(packed) as read:
        manifest = json.loads(read.read(MANIFEST))
    manifest["files"][name] = _listed(bytes(4))
    with zipfile.ZipFile(packed, "a") as written:
        written.filelist = [each for each in written.filelist if each.filename != MANIFEST]
        del written.NameToInfo[MANIFEST]
        written.writestr(MANIFEST, json.dumps(manifest))
    _refused(packed, f"{name} is damaged", mlpcli)


def test_what_is_nothing_but_repetition_or_has_no_room_is_refused(
    packed: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_bomb(2**30, 2**20)
    assert not is_bomb(2**30, 2**23)  # a large run that packs well
    assert not is_bomb(2**27, 2**10)
    monkeypatch.setattr(unpacking, "MOST_REPEATED", 1000)
    monkeypatch.setattr(unpacking, "MOST_PACKED", 1)
    _refused(packed, "times its own size", mlpcli)
    monkeypatch.undo()
    monkeypatch.chdir(packed.parent)
    monkeypatch.setattr(unpacking, "SPARE", 2**62)
    _refused(packed, "free some space", mlpcli)


def test_a_move_that_fails_half_way_is_undone(
    there: Path, mlpcli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two runs that are replaced, the second cannot be: both are as they were."""
    assert mlpcli("pack", "custom", "--runs-dir", "../here/runs", "-o", "run.zip").status == 0
    assert mlpcli("unpack", "run.zip").status == 0
    for name in ("custom", "classify"):
        _change(Path("runs", name, STAMP, "run.json"), lambda document: document.update(name="mine"))
    before = _all(Path("runs"))

    def fail(folder: Path) -> None:
        if folder.name == "custom":
            raise OSError(28, "No space left on device", str(folder))
        flush_entry(folder)

    monkeypatch.setattr(unpacking, "flush_entry", fail)
    assert mlpcli("unpack", "run.zip", "--force").status == 1
    assert _all(Path("runs")) == before
    assert sorted(path.name for path in Path("runs").iterdir()) == ["classify", "custom"]


@pytest.mark.parametrize("name", ["runs/a/b/c", "runs/a/b/plots/x.png", "runs/Ü/2026/größe.csv"])
def test_ordinary_names_are_allowed(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("runs/a/b", "runs/a//b", "runs/./a/b", "runs/.a/b/c", "runs/a/.b/c", "C:/runs/a/b"),
        *("runs/a/b/c:d", "runs/a/b/x\x00", "runs/a/b/" + "x" * 256, "runs/a/b/\ud800", "other/a/b/c"),
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert name_problem(name)


def test_a_name_from_a_stranger_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    manifest: dict[str, Any] = {"files": {}, "without": [], "missing": ["gone\x1b[2J"], "fingerprint": None}
    label = "x; rm -rf ~/1"
    show_unpacked(manifest, [(label, Path("runs", label), "named", False)], [], [], Path("runs"))
    shown = capsys.readouterr().out
    assert "next     mlpcli evaluate 'x; rm -rf ~/1'\n" in shown
    assert "\x1b" not in shown
