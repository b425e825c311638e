"""Which engine trains a network: chosen by its layers, or the one that is recorded for its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpcli import runs
from mlpcli.runs.folder import Run
from mlpcli.runs.record_models import EngineName, Identity
from mlpcli.spec.yaml_reader import parse_text

if TYPE_CHECKING:
    from mlpcli.keras_import import keras

COMPILED: EngineName = "compiled"
GRAPH: EngineName = "graph"
KERAS: EngineName = "keras"
ENGINES = (COMPILED, GRAPH, KERAS)

AS_ASKED = "the spec asks for it"
AS_RECORDED = "as recorded for the run"


@dataclass(frozen=True)
class Choice:
    """An engine, and why.

    Attributes:
        name: The engine.
        reason: Why it was chosen, in words.
        others: The engines to try, in this order, where it cannot run the network.
        strict: XLA refuses what it runs slower than TensorFlow.
    """

    name: EngineName
    reason: str
    others: tuple[EngineName, ...] = ()
    strict: bool = False

    def instead(self, reason: str) -> Choice:
        """Return the choice after this one, whose engine cannot run the network.

        Args:
            reason: Why it cannot.
        """
        return Choice(self.others[0], reason, self.others[1:])

    def record(self) -> dict[str, str | int]:
        """Return what `run.json` says about it."""
        return {"name": self.name, "reason": self.reason}


def choose_engine(model: keras.Model, asked: str, recorded: EngineName | None = None) -> Choice:
    """Return the engine for a network; a function of the spec, or of what is recorded.

    Args:
        model: The network.
        asked: The spec's `fit.engine`.
        recorded: The engine that trained the run so far.
    """
    from mlpcli.training import compiled

    if asked == COMPILED:  # in every version, with these numbers
        return Choice(COMPILED, AS_ASKED, (KERAS,))
    if asked in (GRAPH, KERAS):
        return Choice(KERAS, AS_ASKED) if asked == KERAS else Choice(GRAPH, AS_ASKED, (KERAS,))
    if recorded is not None:
        return Choice(recorded, AS_RECORDED, _others(recorded))
    if (why := compiled.why_graph(model)) is not None:
        return Choice(GRAPH, why, _others(GRAPH))
    return Choice(COMPILED, "no layer is slow in XLA", _others(COMPILED), strict=True)


def _others(name: EngineName) -> tuple[EngineName, ...]:
    """Return the engines after one of these, the fastest first."""
    order = {COMPILED: (GRAPH, KERAS), GRAPH: (COMPILED, KERAS), KERAS: ()}
    return order[name]


def recorded_engine(run: Run, then: Identity | None = None) -> EngineName | None:
    """Return the engine that trained a run so far; None where it is to be chosen.

    Args:
        run: The run.
        then: What it was started with. Earlier versions recorded the engine at the end of a training only;
            their default was `compiled`, and their `resolved.yaml` names it.
    """
    if run.record.engine is not None:
        return run.record.engine.name
    fit = parse_text(then.spec, runs.RESOLVED).data.get("fit") if then is not None else None
    asked = fit.get("engine") if isinstance(fit, dict) else None
    return next((name for name in ENGINES if name == asked), None)
