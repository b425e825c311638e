"""Build the documentation as a site, and as one Markdown file for assistants.

    scripts/docs                     # into build/docs, with llms.txt and llms-full.txt

The pages are those of docs/; the start page is README.md. The pages of commands, of the spec's keys
and of messages are generated from the program itself, the specs in the course are those of configs/.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from scripts import build_notebook, error_reference  # noqa: E402

SOURCE, SITE = ROOT / "build" / "docs_source", ROOT / "build" / "docs"

SPEC = re.compile(r"^\{\{ spec (\w+) \}\}$", re.M)


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    found = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
    found = {name: SPEC.sub(lambda match: _example(match[1]), text) for name, text in found.items()}
    found = {name: text.replace("](../configs/", "](configs/") for name, text in found.items()}
    found["index.md"] = _readme()
    found["commands.md"] = commands_page()
    found["notebook.md"] = build_notebook.as_page(json.loads(build_notebook.NOTEBOOK.read_text("utf-8")))
    found["keys.md"] = keys_page()
    found["errors.md"] = error_reference.page()
    return found


def _readme() -> str:
    """Return the README as the start page: its links are relative to docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](").replace('src="docs/', 'src="').replace('href="docs/', 'href="')
    names = "CONTRIBUTING.md|CHANGELOG.md|LICENSE"
    return re.sub(rf"\]\(({names})\)", lambda match: f"]({repository()}/blob/main/{match[1]})", text)


def repository() -> str:
    """Return the address of the project in pyproject.toml."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Homepage"])


def _example(name: str) -> str:
    """Return an example as a block of YAML, with the command that runs it."""
    (path,) = [*(ROOT / "configs").rglob(f"{name}.yaml")]
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(place for place, line in enumerate(lines) if not line.startswith("#"))
    comment = " ".join(line.lstrip("# ") for line in lines[:first] if "scripts/run" not in line)
    verb = "tune" if any(line.startswith("tuner:") for line in lines) else "train"
    body = "\n".join(lines[first:])
    return f"{comment}\n\n```yaml\n{body}\n```\n\n```sh\nmlpcli {verb} {name}.yaml\n```"


def commands_page() -> str:
    """Return a page with the help of every command, in the groups in which `--help` lists them."""
    from typer.main import get_command

    from mlpcli.cli.help_text import GROUPS
    from mlpcli.cli.program import app

    program = get_command(app)
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        with command.make_context(f"mlpcli {name}", ["--help"], resilient_parsing=True) as context:
            text = re.sub("\x1b\\[[0-9;]*m", "", command.get_help(context))
        found[command.rich_help_panel].append(f"### {name}\n\n```text\n{text.rstrip()}\n```\n")
    parts = [f"## {group}\n\n" + "\n".join(texts) for group, texts in found.items()]
    return "# Commands\n\nWhat `mlpcli COMMAND --help` prints.\n\n" + "\n".join(parts)


def keys_page() -> str:
    """Return a page with every key of a spec, from the schema that the program checks specs with."""
    from mlpcli.spec.extends import EXTENDS
    from mlpcli.spec.meanings import EXTENDS_MEANING
    from mlpcli.spec.schema import Spec

    parts = [
        "# All keys of the spec",
        "",
        "From the schema with which specs are checked; [the spec](spec.md) explains them. An editor that",
        "has the schema of `mlpcli schema` shows the same texts beside each key.",
        "",
    ]
    extends = f"| `{EXTENDS}` | {EXTENDS_MEANING} | the path of a file | none |"
    parts += ["## Top level", "", *_table(Spec), extends]
    for name, section in sections(Spec):
        parts += ["", f"## {name}", "", *_table(section)]
    return "\n".join(parts) + "\n"


PLACES = {"inputs": "inputs.NAME", "features": "features.COLUMN", "layers": "layers[...], beside the class"}
PLACES |= {"optimizer": "optimizer, beside the class"}
"""How the place of a section is written where its key alone does not say it."""


def sections(model: type, within: str = "") -> Iterator[tuple[str, type]]:
    """Yield the places of a spec that have keys of their own, with the models of these keys."""
    found = {}
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        for kind in models_in(field.annotation):
            if meanings_of(kind):
                found[kind] = f"{within}{PLACES.get(name, name)}"
    for kind, place in found.items():
        place = place.replace("validation", "test and validation")
        yield place, kind
        yield from sections(kind, f"{place}.") if "class_name" not in kind.model_fields else ()  # type: ignore[attr-defined]


def models_in(annotation: object) -> Iterator[type]:
    """Yield the models in a type, such as that of `dict[str, FeatureSpec] | list[str] | None`."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def meanings_of(model: type) -> Mapping[str, str]:
    """Return the meaning of each key that a spec may give to a model."""
    from mlpcli.spec.meanings import MEANINGS

    return MEANINGS.get(model.__name__, {})


def _table(model: type) -> Iterator[str]:
    """Yield the lines of a table of a model's keys."""
    from mlpcli.spec.meanings import DEFAULTS

    yield "| key | meaning | value | default |"
    yield "|---|---|---|---|"
    meanings, defaults = meanings_of(model), DEFAULTS.get(model.__name__, {})
    fields = {field.alias or name: field for name, field in model.model_fields.items()}  # type: ignore[attr-defined]
    for key, meaning in meanings.items():
        field = fields[key]
        default = defaults.get(key) or ("required" if field.is_required() else _default(field.default))
        rule = (field.description or "").replace("|", "\\|").replace("<", "&lt;")
        yield f"| `{key}` | {meaning} | {rule} | {default} |"


def _default(value: object) -> str:
    if value is None or value in ({}, [], ()):
        return "none"
    if hasattr(value, "class_name"):
        return f"`{value.class_name}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def llms(found: dict[str, str]) -> tuple[str, str]:
    """Return the list of pages with their titles (llms.txt), and all of them as one text.

    The form: https://llmstxt.org
    """
    about = "Train, tune, evaluate, explain and serve neural networks from one YAML file."
    titles = {name: _title(text) for name, text in found.items()}
    listed = [f"- [{title}]({name})" for name, title in titles.items()]
    short = f"# mlpcli\n\n> {about}\n\n## Pages\n\n" + "\n".join(listed) + "\n"
    whole = "\n\n".join(f"<!-- {name} -->\n\n{text.strip()}" for name, text in found.items()) + "\n"
    return short, whole


def _title(text: str) -> str:
    return next(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))


def write_source(folder: Path) -> None:
    """Write the pages, the pictures and the specs that they link to into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = pages()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")
    if (ROOT / "docs" / "images").is_dir():
        shutil.copytree(ROOT / "docs" / "images", folder / "images")
    for path in [*(ROOT / "docs").glob("*.js"), *(ROOT / "docs").glob("*.css")]:
        shutil.copy(path, folder)
    document = json.loads(build_notebook.NOTEBOOK.read_text(encoding="utf-8"))
    build_notebook.as_page(document, folder / "images")
    shutil.copy(build_notebook.NOTEBOOK, folder)
    shutil.copytree(ROOT / "configs", folder / "configs", ignore=shutil.ignore_patterns("__pycache__"))
    short, whole = llms(found)
    (folder / "llms.txt").write_text(short, encoding="utf-8")
    (folder / "llms-full.txt").write_text(whole, encoding="utf-8")


def main() -> int:
    """Build; return the exit status of MkDocs, which ends with 1 at any warning."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    os.environ["COLUMNS"] = "80"
    write_source(SOURCE)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(ROOT / "mkdocs.yml")]
    status = subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}).returncode
    if status == 0:
        print(f"{SITE.relative_to(ROOT)}/index.html written")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
