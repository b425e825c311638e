"""What the doctor finds wrong with a training: plain values, which `report/` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlpcli.spec.edit_spec import Edit
from mlpcli.spec.values import Value

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a training.

    Attributes:
        code: its name, such as `dead-units`.
        severity: `error` for a network that is of no use, `warning` for one that could be better, `note`.
        seen: what was seen, with numbers and where: the layer, the epoch, the column.
        why: a sentence on why that is bad.
        evidence: the numbers by name.
        fix: what to do, in words.
        patch: the changes of the spec that do it; none where no change of a spec helps.
    """

    code: str
    severity: Severity
    seen: str
    why: str
    evidence: Mapping[str, Value] = field(default_factory=dict)
    fix: str = ""
    patch: tuple[Edit, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the finding for scripts."""
        return {
            "code": self.code,
            "severity": self.severity,
            "seen": self.seen,
            "why": self.why,
            "evidence": dict(self.evidence),
            "fix": self.fix,
            "patch": [{"path": list(each.path), "value": each.value} for each in self.patch],
        }


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one run.

    Attributes:
        findings: the worst first.
        notes: what could not be looked at, and why.
        rows: of how many training rows the network was examined with; 0 for none.
        scores: what to know of scores that are no finding.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    rows: int = 0
    scores: tuple[str, ...] = ()
