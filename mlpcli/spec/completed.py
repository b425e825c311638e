"""A spec with its loss and metrics filled in. `training/prepare.py` creates it when the data are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from mlpcli.spec.load import LoadedSpec
from mlpcli.spec.schema import Spec


@dataclass(frozen=True)
class CompletedSpec(LoadedSpec):
    """A loaded spec that has a loss and metrics: its own, or those that fit its data.

    Attributes:
        notes: a line on each loss and metric that was chosen for it.
    """

    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, loaded: LoadedSpec, spec: Spec, notes: Sequence[str] = ()) -> CompletedSpec:
        """Return the completed form of a loaded spec.

        Args:
            loaded: the spec as it was loaded.
            spec: the same spec with its loss and metrics filled in.
            notes: a line on each choice.
        """
        assert spec.loss is not None, "the loss is filled in"
        given = {each.name: getattr(loaded, each.name) for each in fields(LoadedSpec)}
        return cls(**{**given, "spec": spec, "notes": tuple(notes)})
