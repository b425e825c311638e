"""Write a folder from which Docker builds a server of a run, with a request that was tried."""

from __future__ import annotations

import numpy as np

from mlpcli.data.features.verification_sample import Sample
from mlpcli.export.compare_results import differences
from mlpcli.export.describe_file import describe_inputs
from mlpcli.export.docker_folder import (
    VERSION,
    answer_of,
    image_tag,
    model_name,
    read_request,
    request_of,
    write_texts,
)
from mlpcli.export.export_formats import docker_target, stem_of
from mlpcli.export.saved_model import export_saved_model
from mlpcli.export.try_file import try_file
from mlpcli.export.verify import TOLERANCE
from mlpcli.files import replacing
from mlpcli.inference.export import ExportJob, ExportOptions
from mlpcli.inference.own_data import own_data
from mlpcli.model.trained_model import load_trained
from mlpcli.printable import json_text
from mlpcli.runs.folder import Run

REQUEST_ROWS = 2


def export_docker(run: Run, options: ExportOptions) -> dict[str, object]:
    """Write the folder: Dockerfile, SavedModel, request, answer and README.

    Args:
        run: the run.
        options: where, and what is called meanwhile.

    Returns:
        What was written and how far the SavedModel's answer is from that of `predict`, for scripts.

    Raises:
        RunError: the run has no model.
        SpecError: the run's data is gone.
        ExportError: the SavedModel does not answer the request as `predict` does.
    """
    options.progress("loading the run")
    trained = load_trained(run)
    job = ExportJob(trained, own_data(trained), options)
    contract, target = trained.contract, docker_target(run, options.output)
    table, name = contract.preprocessor is not None, model_name(stem_of(run))
    sample = _without_gaps(job.sample)
    rows, wanted = job.rows("saved_model", sample), job.wanted("saved_model", sample)
    inputs = describe_inputs("saved_model", contract, None)
    options.progress(f"writing {target}")
    with replacing(target) as folder:
        saved = folder / "models" / name / VERSION
        saved.parent.mkdir(parents=True)
        export_saved_model(trained.model, trained.spec, contract, saved)
        request = folder / "request.json"
        request.write_text(json_text(request_of(rows, table=table)) + "\n", encoding="utf-8")
        (folder / "answer.json").write_text(json_text(answer_of(wanted)) + "\n", encoding="utf-8")
        write_texts(folder, name, run.label, len(sample), inputs)
        options.progress("trying the request")
        dtypes = {str(each["name"]): str(each["dtype"]) for each in inputs}
        given = read_request(request.read_text(encoding="utf-8"), dtypes, table=table)
        found = try_file("saved_model", saved, given, timed=False).results
        shares = differences(contract, wanted, found, TOLERANCE, sample)
    return {
        "run": run.label,
        "folder": str(target),
        "model": name,
        "image": image_tag(name),
        "rows": len(sample),
        "difference": max(shares.values()),
        "files": ["Dockerfile", "README.md", "request.json", "answer.json", f"models/{name}/{VERSION}"],
    }


def _without_gaps(sample: Sample) -> Sample:
    """Return a few rows with a value in as many columns as any row has."""
    gaps = np.zeros(len(sample), np.int64)
    for cells in sample.columns.values():
        if isinstance(cells, list):
            gaps += [not text for text in cells]
        elif cells.ndim == 1:  # images have no gaps
            gaps += np.isnan(cells)
    chosen = np.sort(np.argsort(gaps, kind="stable")[:REQUEST_ROWS])
    columns = {
        name: [cells[row] for row in chosen] if isinstance(cells, list) else cells[chosen]
        for name, cells in sample.columns.items()
    }
    return Sample(columns, sample.x[chosen], sample.positions[chosen], sample.label)
