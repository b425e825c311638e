"""Train multilayer perceptrons from one YAML file; `import mlpcli` is for Python programs and notebooks.

The names below are imported when they are first used: `import mlpcli` itself imports nothing heavy.
"""

TYPE_CHECKING = False  # `typing` itself is not needed
if TYPE_CHECKING:
    from mlpcli.api import check as check
    from mlpcli.api import load as load
    from mlpcli.api import resume as resume
    from mlpcli.api import train as train
    from mlpcli.errors import MlpcliError as MlpcliError
    from mlpcli.errors import PredictionWarning as PredictionWarning
    from mlpcli.estimators import MlpClassifier as MlpClassifier
    from mlpcli.estimators import MlpRegressor as MlpRegressor
    from mlpcli.opened_run import Run as Run

__version__ = "0.1.0"

__all__ = [
    "MlpClassifier",
    "MlpRegressor",
    "MlpcliError",
    "PredictionWarning",
    "Run",
    "__version__",
    "check",
    "load",
    "resume",
    "train",
]

_HOMES = {
    "MlpClassifier": "estimators",
    "MlpRegressor": "estimators",
    "MlpcliError": "errors",
    "PredictionWarning": "errors",
    "Run": "opened_run",
}
"""The modules of names that are not in `api`."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"mlpcli.{_HOMES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    """Return the public names, and the modules that were imported."""
    return sorted({*globals(), *__all__})
