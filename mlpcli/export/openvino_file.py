"""A network as OpenVINO's two files: the network (.xml) and its weights (.bin)."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlpcli.export.converting import convert_quietly
from mlpcli.export.frozen_graph import FrozenGraph, save_graph


def save_openvino(frozen: FrozenGraph, facts: Mapping[str, object], path: Path) -> None:
    """Write the files.

    Args:
        frozen: the graph, without float64.
        facts: about the run, kept in the file.
        path: of the .xml file; the other is beside it.

    Raises:
        ExportError: the network cannot be converted.
    """

    def convert() -> None:
        leave_telemetry_out()
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            save_graph(frozen, [*frozen.inputs], Path(folder))
            model = openvino.convert_model(folder)
        model.set_rt_info(json.dumps(facts, ensure_ascii=False), ["mlpcli"])
        openvino.save_model(model, str(path), compress_to_fp16=False)

    convert_quietly("OpenVINO", convert)


def leave_telemetry_out() -> None:
    """Keep OpenVINO from sending usage data: to call before its import.

    Its import and its converter would each start a process that posts to an address outside and is killed
    after some seconds. Without the package `openvino_telemetry` OpenVINO uses a stand-in that does nothing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "there is no such module"
