"""A folder from which Docker builds a server of a run: TensorFlow Serving with the SavedModel inside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlpcli.data.types import Array

VERSION = "1"
"""The folder of the model's version, as TensorFlow Serving numbers them."""

DOCKERFILE = """\
# TensorFlow Serving with run {run} of mlpcli.
#   docker build -t {tag} . && docker run --rm -p 8501:8501 {tag}
# The SavedModel was written by TensorFlow {tensorflow}; for another server: --build-arg SERVING=TAG
ARG SERVING=latest
FROM tensorflow/serving:${{SERVING}}
COPY models/{name} /models/{name}
ENV MODEL_NAME={name}
EXPOSE 8500 8501
"""

README = """\
# {name}: a server of run {run}

```sh
docker build -t {tag} .
docker run --rm -p 8501:8501 {tag}
curl -s -d @request.json http://localhost:8501/v1/models/{name}:predict
```

`request.json` holds {rows} rows of the data, `answer.json` what `mlpcli predict` computes for them, in the
form in which the server answers; its last digits may differ. Port 8500 speaks gRPC. There is no password and
no encryption.

Without Docker, `mlpcli serve {label}` answers the same request.

{inputs}
"""


def model_name(stem: str) -> str:
    """Return a run's name as the name of a model in an address: letters, digits, `.`, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", stem) or "model"


def image_tag(name: str) -> str:
    """Return a model's name as that of an image of Docker, which has no capitals."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def request_of(rows: Mapping[str, Array], *, table: bool) -> dict[str, object]:
    """Return a request of TensorFlow Serving's REST interface, by row.

    Args:
        rows: by input.
        table: whether each row is an object with a value for each input.
    """
    values = {name: each.tolist() for name, each in rows.items()}
    if not table:
        return {"instances": next(iter(values.values()))}
    count = len(next(iter(values.values())))
    return {"instances": [{name: each[row] for name, each in values.items()} for row in range(count)]}


def answer_of(results: Mapping[str, Array]) -> dict[str, object]:
    """Return the answer to a request by row; a single result goes without its name."""
    values = {name: each.tolist() for name, each in results.items()}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    count = len(next(iter(values.values())))
    return {"predictions": [{name: each[row] for name, each in values.items()} for row in range(count)]}


def read_request(text: str, dtypes: Mapping[str, str], *, table: bool) -> dict[str, Array]:
    """Return the rows of a request as the SavedModel's signature takes them.

    Args:
        text: of the request.
        dtypes: of each input.
        table: as in `request_of`.
    """
    instances = json.loads(text)["instances"]
    if not table:
        ((name, dtype),) = dtypes.items()
        return {name: np.array(instances, dtype)}
    return {
        name: np.array([row[name] for row in instances], None if dtype == "string" else dtype)
        for name, dtype in dtypes.items()
    }


def write_texts(folder: Path, name: str, run: str, rows: int, inputs: list[dict[str, object]]) -> None:
    """Write the Dockerfile and the README.

    Args:
        folder: of both.
        name: of the model.
        run: its run.
        rows: of the request.
        inputs: as `describe_inputs` returns them.
    """
    from mlpcli.keras_import import tf

    tag, version = image_tag(name), tf.__version__
    values = {"name": name, "run": run, "tag": tag, "tensorflow": version, "rows": rows, "label": run}
    lines = ["| input | takes |", "|---|---|"]
    for each in inputs:
        takes = each.get("takes") or f"rows of the shape {each.get('shape')}"
        lines.append(f"| `{each['name']}` | {each['dtype']}: {takes} |")
    (folder / "Dockerfile").write_text(DOCKERFILE.format(**values), encoding="utf-8")
    (folder / "README.md").write_text(README.format(**values, inputs="\n".join(lines)), encoding="utf-8")
