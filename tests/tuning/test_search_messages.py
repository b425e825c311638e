"""Messages of chief and worker: whatever they hold they are read or refused, and arrive as they were."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcli.runs.search_folder import Trial
from mlpcli.tuning.chief import Chief
from mlpcli.tuning.messages import (
    Assignment,
    BadMessage,
    Claim,
    Done,
    Heartbeat,
    TrialResult,
    Wait,
    Work,
    read_answer,
)
from tests.tuning.test_tune_workers import GOOD

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["/etc", "..", "1e9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
REQUESTS: dict[str, dict[str, Any]] = {
    "claim": {"worker": "a"},
    "beat": {"worker": "a", "trial": 1, "epoch": 1, "epochs": 2, "logs": {"loss": 0.5}},
    "done": {"worker": "a", "trial": 1, "result": GOOD},
}
TRIAL = {"number": 2, "starts": 2, "copy_number": 2, "proposed": {"units": 8}, "values": {"units": 8}}
TRIAL |= {"epochs": 2, "initial_epoch": 0, "source": 1, "source_copy": 1}
ANSWERS: list[tuple[str, dict[str, Any]]] = [
    ("claim", {"trial": TRIAL}),
    ("claim", {"wait": 0.3}),
    ("claim", {"stop": True}),
    ("beat", {"go_on": True}),
    ("done", {"taken": True}),
]


def _mutated(document: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """The document with a field at any depth replaced, taken away or added."""
    key = data.draw(st.sampled_from([*document, "folder"]))
    if isinstance(document.get(key), dict) and data.draw(st.booleans()):
        return document | {key: _mutated(document[key], data)}
    if data.draw(st.integers(0, 3)) == 0:
        return {name: value for name, value in document.items() if name != key}
    return document | {key: data.draw(ANYTHING)}


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_a_request_holds_a_chief_answers_and_lives(data: st.DataObject, served: Chief) -> None:
    verb = data.draw(st.sampled_from([*REQUESTS, "delete"]))
    document = _mutated(REQUESTS.get(verb, {}), data)
    body = data.draw(st.sampled_from([json.dumps(document).encode()] * 4 + [b"[" * 100_000, b"\xff", b""]))
    answer = json.loads(served.reply(verb, body))
    assert len(answer) == 1
    assert answer.keys() <= {"refused", "go_on", "taken", "trial", "wait", "stop"}
    assert served.failure is None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Chief:
    """A chief with more trials than the requests of a property test can end."""
    from mlpcli.report.tune import WorkerReport
    from mlpcli.spec.load import load_spec
    from tests.spec.test_search_spec import SEARCHED
    from tests.tuning.test_oracle import _new, _states

    folder = tmp_path_factory.mktemp("served")
    (folder / "spec.yaml").write_text(SEARCHED)
    spec = load_spec(folder / "spec.yaml")
    search = _new(folder / "search", "RandomSearch", spec, max_trials=10_000)
    return Chief(_states(search, spec, most_failures=10**6), WorkerReport(stderr=True), adopt=True)


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_an_answer_holds_a_worker_goes_where_it_belongs_or_refuses(data: st.DataObject) -> None:
    verb, document = data.draw(st.sampled_from(ANSWERS))
    body = json.dumps(_mutated(document, data)).encode()
    try:
        answer = read_answer(verb, body)
    except BadMessage as error:
        said = str(error)
        assert 0 < len(said) <= 2_000
        return
    if isinstance(answer, Wait):
        assert 0 <= answer.wait <= 5
    if isinstance(answer, Work):
        trial = answer.trial.trial("a")
        assert re.fullmatch(r"trials/\d{4,10}(-\d{1,10})?", trial.folder)
        assert re.fullmatch(r"(trials/\d{4,10}(-\d{1,10})?)?", trial.source_folder)


@pytest.mark.parametrize(
    "request_",
    [
        Claim(worker="a"),
        Heartbeat(worker="a", trial=1, epoch=1, epochs=2, logs={"loss": float("nan")}),
        Done(worker="a", trial=1, result=TrialResult(**GOOD)),
    ],
)
def test_what_we_send_is_what_we_read(request_: Claim) -> None:
    again = type(request_).model_validate_json(request_.encoded())
    assert again.encoded() == request_.encoded()


def test_a_trial_goes_over_the_wire_as_it_is() -> None:
    trials = [
        Trial(1, {"a": 1, "b": 1.0, "c": True, "d": None, "e": "x", "f": 0.1 + 0.2}, {"a": 1}, worker="w"),
        Trial(3, {}, {}, 5, 2, 1, "trials/0001-2", starts=4, folder="trials/0003-4", worker="w"),
        Trial(12345, {}, {}, starts=2, worker="w"),
    ]
    for trial in trials:
        answer = read_answer("claim", Work(trial=Assignment.of(trial)).encoded())
        assert isinstance(answer, Work)
        again = answer.trial.trial("w")
        assert again == trial
        assert [type(value) for value in again.proposed.values()] == [
            type(v) for v in trial.proposed.values()
        ]
