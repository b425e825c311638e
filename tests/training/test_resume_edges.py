"""Edges of resuming: when a checkpoint is due, which one is refused, what counts as a change of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpcli.runs.record_models import Identity
from mlpcli.spec.fit_section import CheckpointSpec
from mlpcli.training import save_interval as intervals
from mlpcli.training.checkpoint_file import read_checkpoint, write_checkpoint
from mlpcli.training.identity import changes, differences, version_changes
from mlpcli.training.training_state import CallbackState, TrainingState

# ---------------------------------------------------------------- when a checkpoint is due


class Clock:
    """What `time.monotonic` says."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(intervals, "time", found)
    return found


def _due(
    interval: intervals.SaveInterval, clock: Clock, *, seconds: float, epochs: int, cost: float
) -> list[int]:
    """The epochs of some seconds after which a checkpoint is written, each in `cost` seconds."""
    found = []
    for epoch in range(1, epochs + 1):
        clock.now += seconds
        if interval.is_due():
            found.append(epoch)
            since = clock.now
            clock.now += cost
            interval.saved(since)
    return found


def test_a_checkpoint_is_written_after_as_many_epochs_as_asked_for(clock: Clock) -> None:
    interval = intervals.save_interval(CheckpointSpec(every=3))
    assert _due(interval, clock, seconds=100.0, epochs=10, cost=9.0) == [3, 6, 9]


def test_a_checkpoint_is_written_after_as_many_minutes_as_asked_for(clock: Clock) -> None:
    interval = intervals.save_interval(CheckpointSpec(minutes=2))
    assert _due(interval, clock, seconds=30.0, epochs=10, cost=5.0) == [4, 8]
    both = intervals.save_interval(CheckpointSpec(every=3, minutes=1))
    assert _due(both, clock, seconds=30.0, epochs=4, cost=0.0) == [2, 4]


@pytest.mark.parametrize("given", [None, CheckpointSpec()])
def test_otherwise_a_second_passes_and_saving_takes_a_fiftieth_of_the_time(
    given: CheckpointSpec | None, clock: Clock
) -> None:
    quick = intervals.save_interval(given)
    assert _due(quick, clock, seconds=0.25, epochs=9, cost=0.001) == [4, 8]
    dear = intervals.save_interval(given)
    assert _due(dear, clock, seconds=1.0, epochs=102, cost=1.0) == [1, 51, 101]


# ---------------------------------------------------------------- what a checkpoint holds


def test_scalars_tuples_and_shared_arrays_come_back_as_what_they_were(tmp_path: Path) -> None:
    shared = np.arange(200_000.0)
    state: dict[Any, Any] = {
        "one": shared,
        "two": [shared, (1, (2.5, None))],
        3: np.float32(0.1),
        "none": np.zeros((0, 4)),
    }
    write_checkpoint(tmp_path / "state", state)
    assert (tmp_path / "state").stat().st_size < 1.1 * shared.nbytes  # once
    found: dict[Any, Any] = read_checkpoint(tmp_path / "state")
    assert found["two"][1] == (1, (2.5, None))
    assert type(found["two"][1]) is tuple
    assert (type(found[3]), found[3]) == (np.float32, np.float32(0.1))
    assert found["none"].shape == (0, 4)
    found["one"][0] = 7  # they can be written to, as those of a training are


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([b"a"]), np.array(["2026-01-01"], "M8[D]")])
def test_arrays_that_are_no_numbers_are_refused_when_they_are_written(array: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="arrays of numbers"):
        write_checkpoint(tmp_path / "state", {"one": array})
    assert not list(tmp_path.iterdir())


def _state(
    history: list[dict[str, Any]], epoch: int, weight: float = 1.0, dtype: str = "float32"
) -> TrainingState:
    return TrainingState.model_validate(
        {
            "identity": _identity(),
            "epoch": epoch,
            "stopped": False,
            "history": history,
            "best": {"monitor": "loss", "value": None, "epoch": None, "values": None},
            "model": {"kernel": np.array([weight]).astype(dtype)},
            "optimizer": {},
            "callbacks": [],
            "generators": {"python": (3, (1,), None), "numpy": ("MT19937", np.zeros(1), 0, 0, 0.0)},
        }
    )


def test_a_history_that_ends_at_another_epoch_is_no_state() -> None:
    rows: list[dict[str, Any]] = [{"epoch": number, "loss": 0.5} for number in (1, 2, 3)]
    assert _state(rows, 3).epoch == 3
    assert _state([], 0).epoch == 0
    assert _state(rows[2:], 3).epoch == 3  # of a run that has not kept the first
    for wrong, epoch in ((rows, 2), (rows, 4), ([*rows, rows[2]], 3), ([{"epoch": 0}, *rows], 3)):
        with pytest.raises(ValueError, match=f"the history does not fit {epoch} epochs"):
            _state(wrong, epoch)
    with pytest.raises(ValueError, match="too large"):
        _state([{"epoch": 1, "steps": 2**53 + 1}], 1)
    assert _state([{"epoch": 1, "steps": 2**53}], 1).epoch == 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_no_state(dtype: str, weight: float) -> None:
    import ml_dtypes

    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    _state([], 0, 1.0, kind)
    with pytest.raises(ValueError, match="the weight kernel has values that are not finite"):
        _state([], 0, weight, kind)


def test_averages_are_in_the_model_where_the_callback_says_so() -> None:
    attributes = {"_ema_weights_in_model": True}
    found = CallbackState.model_validate({"class": "SwapEMAWeights", "state": {"attributes": attributes}})
    assert found.averages_in_model
    for name, state in (
        ("SwapEMAWeights", {"attributes": {"_ema_weights_in_model": False}}),
        ("SwapEMAWeights", {}),
        ("EarlyStopping", {"attributes": attributes}),
    ):
        assert not CallbackState.model_validate({"class": name, "state": state}).averages_in_model


# ---------------------------------------------------------------- what counts as a change


SPEC = """\
name: a
dataset: {path: one.csv, target: y, features: {a: numeric}}
layers: [{Dense: {units: 1}}]
loss: mse
metrics: []
fit: {epochs: 3}
"""


def _identity(spec: str = SPEC, **given: Any) -> Identity:
    known = {"data": "d", "rows": {"train": 8}, "plugins": {}, "start_from": None, "versions": {}}
    return Identity.model_validate({"spec": spec} | known | given)


def _said(tmp_path: Path, now: Identity, then: Identity | None = None) -> list[str]:
    return [problem.rule for problem in differences(then or _identity(), now, tmp_path)]


def test_names_places_limits_and_defaults_are_no_change_of_a_run(tmp_path: Path) -> None:
    same = [
        SPEC.replace("name: a", "name: b").replace("one.csv", "elsewhere/two.csv"),
        SPEC.replace("epochs: 3", "epochs: 3, max_minutes: 5"),
        SPEC.replace("epochs: 3", "epochs: 3, batch_size: 32"),
    ]
    for spec in same:
        assert _said(tmp_path, _identity(spec)) == []
    assert _said(tmp_path, _identity(SPEC.replace("epochs: 3", "epochs: 4"))) == [
        "fit.epochs has changed: 3 then, 4 now"
    ]
    more = SPEC.replace("[{Dense: {units: 1}}]", "[{Dense: {units: 2}}, {Dense: {units: 1}}]")
    assert any(line.startswith("layers has changed") for line in _said(tmp_path, _identity(more)))


def test_the_folder_of_the_run_that_a_network_starts_from_is_no_change_of_a_run(tmp_path: Path) -> None:
    """Its model's checksum says whether it is the same run: folders are moved."""
    then = SPEC + "start_from: {run: /here/base/1, layers: [dense]}\n"
    moved = then.replace("/here/base/1", "/there/2")
    assert _said(tmp_path, _identity(moved), _identity(then)) == []
    assert _said(tmp_path, _identity(moved, start_from="2"), _identity(then, start_from="1")) == [
        "the run that start_from names has changed: it has another model"
    ]
    more = moved.replace("[dense]", "[dense, out]")
    frozen = moved.replace("[dense]", "[dense], freeze: true")
    assert _said(tmp_path, _identity(more), _identity(then)) == [
        "start_from.layers has changed: ['dense'] then, ['dense', 'out'] now"
    ]
    assert _said(tmp_path, _identity(frozen), _identity(then)) == [
        "start_from.freeze has changed: false then, true now"
    ]
    assert _said(tmp_path, _identity(then), _identity()) == [
        "start_from has changed: nothing then, {layers: ['dense'], freeze: false} now"
    ]


@pytest.mark.parametrize(("kept", "gone"), [("Dense: {units: 1}", "Gone: {units: 1}"), ("metrics: []\n", "")])
def test_of_a_spec_that_this_version_cannot_read_only_what_differs_is_told(
    kept: str, gone: str, tmp_path: Path
) -> None:
    old = SPEC.replace(kept, gone)
    now = old.replace("epochs: 3", "epochs: 4")
    for engine in ("engine: auto, ", ""):
        told = _said(tmp_path, _identity(now.replace("fit: {", f"fit: {{{engine}")), _identity(old))
        assert told == ["fit.epochs has changed: 3 then, 4 now"]


def test_data_start_and_plug_ins_are_told_by_their_checksums(tmp_path: Path) -> None:
    assert _said(tmp_path, _identity(data="e")) == ["the data has changed (as many rows, other values)"]
    fewer = _identity(data="e", rows={"train": 1, "test": 2})
    assert _said(tmp_path, fewer) == [
        "the data has changed (train: 8 rows then, 1 now; test: 0 rows then, 2 now)"
    ]
    target = _identity(SPEC.replace("target: y", "target: z"), data="e")
    assert _said(tmp_path, target)[0] == "dataset.target has changed: 'y' then, 'z' now"
    unused = _identity(
        SPEC.replace("one.csv", "two.csv").replace("{a: numeric}", "{a: numeric, b: ignore}"), data="e"
    )
    assert _said(tmp_path, unused) == ["the data has changed (as many rows, other values)"]
    first, second = _identity(start_from="1"), _identity(start_from="2")
    assert _said(tmp_path, second, first) == [
        "the run that start_from names has changed: it has another model"
    ]
    assert _said(tmp_path, _identity(), first) == []  # of a version that did not note it
    one, other = _identity(plugins={"p.py": "1", "q.py": "1"}), _identity(plugins={"p.py": "2", "r.py": "1"})
    assert _said(tmp_path, other, one) == [f"the plug-in {name}.py has changed" for name in "pqr"]
    then, now = _identity(versions={"keras": "3.1", "old": "1"}), _identity(versions={"keras": "3.2"})
    assert version_changes(then, now) == ["keras 3.1 then, 3.2 now", "old 1 then, absent now"]


def test_a_number_that_is_none_equals_itself_and_lists_are_compared_by_place() -> None:
    nan = float("nan")
    assert changes({"a": nan, "b": [1, nan]}, {"a": nan, "b": [1, nan]}) == []
    assert changes({"a": [1, 2]}, {"a": [1, 3]}) == [(("a", 1), 2, 3)]
    assert changes({"a": [1, 2]}, {"a": [1]}) == [(("a",), [1, 2], [1])]
    assert [path for path, _, _ in changes({"a": nan, "b": 1}, {"a": 1.0, "c": 1})] == [
        ("a",),
        ("b",),
        ("c",),
    ]
