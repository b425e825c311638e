"""`mlpcli unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlpcli.cli.options import RUNS_DIR, DebugOption, JsonOption, RunsDirOption

if TYPE_CHECKING:
    from mlpcli.export.pack_manifest import Manifest
    from mlpcli.export.unpack import UnpackedRun


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The zip that pack has written.")],
    force: Annotated[bool, typer.Option("--force", help="Replace runs that are there already.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Unpack a run of another machine into the runs folder: checked, and all of it or nothing."""
    from mlpcli.export.unpack import unpack_run
    from mlpcli.report.console import show_json
    from mlpcli.report.pack import show_unpacked, unpack_json

    manifest, found = unpack_run(file, runs_dir, force=force)
    runs = [(each.label, each.folder, each.why, each.there) for each in found]
    document, missing = manifest.model_dump(mode="json"), _missing_data(manifest, found[0])
    plugins = sorted(name for name in manifest.files_of(found[0].label) if name.startswith("plugins/"))
    if json:
        show_json(unpack_json(document, runs, missing, plugins))
    else:
        show_unpacked(document, runs, missing, plugins, runs_dir)


def _missing_data(manifest: Manifest, run: UnpackedRun) -> list[str]:
    """Return the data that the run was trained on and that is not on this machine, neither near the run."""
    from mlpcli.data.moves import moves_to
    from mlpcli.data.readers.find_files import exists, is_server_path
    from mlpcli.spec.file_words import split_scheme

    paths = [each.path for each in manifest.data]
    gone = [path for path in paths if not exists(Path(split_scheme(path)[1]))]
    return [
        path
        for path in gone
        if is_server_path(Path(path)) or next(moves_to([path], run.folder.resolve()), None) is None
    ]
