"""Networks and runs as files for other programs, each verified before it is there.

SavedModel: `saved_model`, its inputs named by `signature_names`, images decoded by `image_graph`;
`verify` has `c_api_runner` run it in a clean process. Other formats (`export_formats`): `onnx_file`,
`litert_file`, `openvino_file` from a `frozen_graph` of the `coded_network`, whose inputs `given_columns`
defines; `keras_file`. `converting` keeps converters quiet; `try_file` has `format_runner` compute rows by
the format's own runtime, which `compare_results` compares with `predict`. `describe_file` and
`example_code` say how a file is used; `docker_folder` makes a server of it.

A whole run in a zip: `pack`, `unpack`, `pack_manifest`, `packed_data`. MLflow: `mlflow_content` is read
from a run's folder, `mlflow_log` writes it, `mlflow_watchers` while it is trained.
"""
