"""What a spec must be for several workers, found before TensorFlow is imported."""

from __future__ import annotations

from mlpcli.errors import KeyPath, Problem, SpecError
from mlpcli.spec.repeats import is_repeated
from mlpcli.spec.schema import Spec


def check_spec(spec: Spec, count: int) -> None:
    """Check a spec for several workers.

    Args:
        spec: The spec.
        count: How many workers there are.

    Raises:
        SpecError: Several cannot train it.
    """
    found: list[tuple[str, KeyPath, object, str]] = []
    if is_repeated(spec):
        key = "folds" if spec.fit.folds is not None else "seeds"
        rule = f"a run with {key} cannot be trained by {count} replicas"
        found.append((rule, ("fit", key), getattr(spec.fit, key), f"leave out --replicas, or fit.{key}"))
    if spec.fit.engine == "keras":
        rule = f"must be auto, compiled or graph for {count} replicas"
        found.append((rule, ("fit", "engine"), "keras", "Keras's own fit cannot be divided"))
    if spec.fit.distribute is not None:
        rule = f"cannot be combined with {count} replicas"
        hint = "keep one of them: a replica uses one device"
        found.append((rule, ("fit", "distribute"), spec.fit.distribute, hint))
    if spec.fit.batch_size < count:
        rule = f"must be at least {count} for {count} replicas, which divide each batch"
        found.append((rule, ("fit", "batch_size"), spec.fit.batch_size, "use fewer replicas"))
    if found:
        problems = [Problem(rule, path=path, received=got, hint=hint) for rule, path, got, hint in found]
        raise SpecError(*problems)
