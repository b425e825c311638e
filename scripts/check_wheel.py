"""Build the wheel, look at what it holds, and use it as somebody would who installs it.

    scripts/check_wheel                          # every Python that is found, lowest and newest dependencies
    scripts/check_wheel --python 3.12 --with newest
    scripts/check_wheel --contents               # only what the wheel holds
    scripts/check_wheel --keep /tmp/installed    # the environments stay, and are taken again by the next call

The wheel must hold the tracked files of mlpcli/ and configs/, and nothing else. Then, for each of Python
3.11 to 3.13 that is on the PATH or in pyenv, it is installed into a new environment, once with the newest
dependencies that pyproject.toml allows and once with the lowest. There, far from the checkout, the
commands of a first hour are run, and a selection of the tests. Packages are installed by uv where it is
found, else by pip. An environment takes 2.5 GB and some minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.lowest import lower_bounds  # noqa: E402

VERSIONS = ("3.11", "3.12", "3.13")
NEWEST, LOWEST = "newest", "lowest"
TOOLS = ["pytest>=8.4", "hypothesis>=6.120", "jsonschema>=4.23"]
"""What the selected tests need beside the wheel."""

COMMANDS = (
    "--version",
    "init --example digits",
    "check digits.yaml",
    "train digits.yaml --set fit.epochs=5",
    "evaluate digits",
    "report digits",
    "init --example flats",
    "inspect data/flats.csv --target rent",
    "init data/flats.csv --target rent --effort fast -o rents.yaml",
    "train rents.yaml --set fit.epochs=3",
    "evaluate rents",
    "explain rents --repeats 1 --rows 100",
    "predict rents data/flats.csv -o rents.csv",
    "code digits.yaml",
    "runs",
)
TESTS = (
    "tests/data/test_data_rows.py",
    "tests/model/test_keras_internals.py",
    "tests/cli/test_light.py",
    "tests/inference/test_predict.py",
    "tests/spec/test_schema.py",
    "tests/inference/test_serve.py",
    "tests/training/test_train.py",
)


def expected_files() -> set[str]:
    """Return the names of the files that a wheel must hold, without those of its metadata."""
    tracked = subprocess.run(
        ["git", "ls-files", "mlpcli", "configs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    moved = (name.replace("configs/", "mlpcli/examples/", 1) for name in tracked if name != "mlpcli/examples")
    return {name for name in moved if not name.endswith(".gitignore")}


def check_contents(wheel: Path) -> list[str]:
    """Return what is wrong with the files in a wheel, one line each."""
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
        entry_points = next(name for name in opened.namelist() if name.endswith("entry_points.txt"))
        commands = opened.read(entry_points).decode()
    expected = expected_files()
    wrong = [f"missing: {name}" for name in sorted(expected - held)]
    wrong += [f"should not be there: {name}" for name in sorted(held - expected)]
    if "mlpcli = mlpcli.cli:run" not in commands:
        wrong.append("the command mlpcli is missing")
    size = wheel.stat().st_size / 1e6
    print(f"{wheel.name}: {len(held)} files, {size:.1f} MB, {len(wrong)} problems", flush=True)
    return wrong


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder; what an earlier build left beside the sources takes no part."""
    uv = shutil.which("uv")
    command = [uv, "build", "--quiet", "--wheel", "--out-dir"] if uv else []
    command = command or [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    with tempfile.TemporaryDirectory() as copy:
        source = Path(copy) / "source"
        shutil.copytree(ROOT, source, symlinks=True, ignore=_left_out)
        subprocess.run([*command, str(folder), str(source)], check=True)
    (wheel,) = folder.glob("mlpcli-*.whl")
    return wheel


def _left_out(folder: str, names: list[str]) -> list[str]:
    """Return what a copy of the sources does without: what tools have written beside them."""
    if Path(folder) != ROOT:
        return []
    kept = ("configs", "mlpcli", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
    return [name for name in names if name not in kept]


def find_pythons(wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield version and path of each Python that is found, of the wanted versions."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in wanted:
        candidates = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
        if on_path := shutil.which(f"python{version}"):
            candidates.append(on_path)
        for candidate in candidates:
            answer = subprocess.run([candidate, "-c", "import venv, ssl"], capture_output=True)
            if answer.returncode == 0:
                yield version, candidate
                break
        else:
            print(f"Python {version} was not found", flush=True)


@dataclass
class Installation:
    """The wheel in an environment of its own.

    Attributes:
        python: version of Python.
        dependencies: `newest` or `lowest`.
        folder: the environment.
        failures: what went wrong, one entry each.
    """

    python: str
    dependencies: str
    folder: Path
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def executable(self) -> Path:
        """The environment's Python."""
        return self.folder / "bin" / "python"

    def install(self, interpreter: str, wheel: Path) -> None:
        """Make the environment and install the wheel with its extra `serve`."""
        subprocess.run([interpreter, "-m", "venv", "--clear", str(self.folder)], check=True)
        uv = shutil.which("uv")
        command = [uv, "pip", "install", "--quiet", "--python", str(self.executable)] if uv else []
        command = command or [str(self.executable), "-m", "pip", "install", "--quiet"]
        if self.dependencies == LOWEST:
            constraints = self.folder / "lowest.txt"
            lowest = lower_bounds(ROOT / "pyproject.toml", extras=["serve"])
            constraints.write_text("\n".join(lowest) + "\n", encoding="utf-8")
            command += ["--constraint", str(constraints)]
        began = time.monotonic()
        subprocess.run([*command, f"{wheel}[serve]", *TOOLS], check=True)
        self.seconds = time.monotonic() - began

    def replace_wheel(self, wheel: Path) -> None:
        """Install the wheel again into an environment that an earlier call left."""
        uv = shutil.which("uv")
        command = [uv, "pip", "install", "--quiet", "--python", str(self.executable)] if uv else []
        command = command or [str(self.executable), "-m", "pip", "install", "--quiet"]
        again = ["--reinstall" if uv else "--force-reinstall", "--no-deps", str(wheel)]
        subprocess.run([*command, *again], check=True)

    def run(self, command: Sequence[str], folder: Path) -> None:
        """Run a command there; note its failure with the end of what it wrote."""
        kept = {"HOME": str(folder), "PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=1200)
        if done.returncode:
            shown = (done.stdout + done.stderr).strip().splitlines()[-25:]
            self.failures.append("\n    ".join([" ".join(map(str, command[1:])), *shown]))

    def use(self) -> None:
        """Run the commands of a first hour, in an empty folder."""
        with tempfile.TemporaryDirectory() as folder:
            for words in COMMANDS:
                self.run([str(self.folder / "bin" / "mlpcli"), *words.split()], Path(folder))

    def test(self) -> None:
        """Run the selected tests beside the installed package, in a folder without the sources."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for part in ("tests", "configs", "scripts", "docs"):
                shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            for part in ("pyproject.toml", "README.md"):
                shutil.copy(ROOT / part, folder)
            command = [str(self.executable), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
            self.run([*command, "-m", "not slow", *TESTS], folder)

    def versions(self) -> str:
        """Return the versions that matter most."""
        names = ("tensorflow", "keras", "numpy", "pyarrow", "scikit-learn", "typer")
        code = f"from importlib.metadata import version as v; print(*(f'{{n}} {{v(n)}}' for n in {names}))"
        return subprocess.run([self.executable, "-c", code], capture_output=True, text=True).stdout.strip()

    def megabytes(self) -> float:
        """Return the size of what is installed: the site-packages."""
        (packages,) = self.folder.glob("lib/python3.*/site-packages")
        files = (path for path in packages.rglob("*") if path.is_file() and not path.is_symlink())
        return sum(path.stat().st_size for path in files) / 1e6


def check(installation: Installation, interpreter: str, wheel: Path) -> None:
    """Install and use the wheel in one environment, and print the result."""
    where = f"Python {installation.python}, {installation.dependencies} dependencies"
    print(f"\n{where}: installing", flush=True)
    try:
        if installation.executable.exists():
            installation.replace_wheel(wheel)
        else:
            installation.install(interpreter, wheel)
    except subprocess.CalledProcessError as error:
        installation.failures.append(f"the installation ended with status {error.returncode}")
        return
    print(f"  {installation.versions()}")
    print(f"  {installation.megabytes():.0f} MB in {installation.seconds:.0f} s", flush=True)
    installation.use()
    print(f"  {len(COMMANDS)} commands run", flush=True)
    installation.test()
    print(f"  {len(TESTS)} files of tests run", flush=True)
    print("\n".join(f"  FAILED {each}" for each in installation.failures) or "  all works", flush=True)


def main() -> int:
    """Check, and return 1 where anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--python", action="append", choices=VERSIONS, help="repeatable; every one by default"
    )
    parser.add_argument("--with", dest="dependencies", choices=(NEWEST, LOWEST), help="both by default")
    parser.add_argument("--contents", action="store_true", help="only what the wheel holds")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the environments in a folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep.resolve() if options.keep else Path(name)
        wheel = build_wheel(Path(name))
        wrong = check_contents(wheel)
        print("\n".join(f"  {each}" for each in wrong), flush=True)
        done = []
        for version, interpreter in [] if options.contents else find_pythons(options.python or VERSIONS):
            for dependencies in [options.dependencies] if options.dependencies else [NEWEST, LOWEST]:
                done.append(Installation(version, dependencies, folder / f"{version}-{dependencies}"))
                check(done[-1], interpreter, wheel)
                if not options.keep:
                    shutil.rmtree(done[-1].folder, ignore_errors=True)
    failed = [each for each in done if each.failures]
    print(
        f"\n{len(done) - len(failed)} of {len(done)} installations work, {len(wrong)} problems in the wheel"
    )
    return int(bool(failed or wrong or not (done or options.contents)))


if __name__ == "__main__":
    raise SystemExit(main())
