"""One page about a run: whole, safe with any text, and alive in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from mlpcli.report.page.charts import charts
from mlpcli.report.page.highlight import highlighted
from tests.conftest import Result

Command = Callable[..., Result]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script> & <b>\"'"
EMPTY = {"meta", "link", "img", "br", "line", "polyline", "circle"}


class _Page(HTMLParser):
    """The tags of a page, checked to be closed in order; its texts and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [str(found[name]) for name in ("src", "href") if name in found]
        if tag == "img":
            self.images.append(found)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in EMPTY

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words += data


@pytest.fixture(scope="module")
def page(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with hostile notes."""
    from mlpcli.cli import main

    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(tiny_run, folder / "runs")
    where = ["--runs-dir", str(folder / "runs")]
    (run,) = (folder / "runs" / "tiny").iterdir()
    (run / "spec.yaml").write_text(f"# {HOSTILE}\nname: tiny\n", encoding="utf-8")
    assert main(["evaluate", "tiny", *where]) == 0
    assert main(["note", "tiny", HOSTILE, "--tag", "good", *where]) == 0
    assert main(["report", "tiny", *where]) == 0
    return run / "report.html"


def test_a_page_is_whole_and_loads_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = _Page(text)
    assert found.open == []
    assert found.addresses
    assert all(address.startswith("data:") for address in found.addresses)
    assert len(text) < 3_000_000
    assert all(image["alt"] and image["width"] for image in found.images)
    assert {"Confusion matrix on test", "The network"} <= set(found.words.split("\n"))
    for words in ("Metrics", "Learning curves", "Data", "Spec", "Do it again", "mlpcli reproduce tiny/"):
        assert words in found.words
    assert "trained, with every default" not in found.words
    record = json.loads((page.parent / "metrics.json").read_text())
    assert f"{record['test']['accuracy']:.4f}" in found.words


def test_text_from_outside_is_shown_as_it_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert _Page(text).words.count(HOSTILE) == 2  # the note and the spec


def test_a_model_card_is_markdown(page: Path, mlpcli: Command, tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    assert mlpcli("report", page.parent, "-o", card).status == 0
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# tiny/")
    assert "| accuracy |" in text
    assert "<script>" not in text.replace("\\<script\\>", "").partition("```yaml")[0]
    assert "\n\n\n" not in text


def test_two_runs_stand_side_by_side(page: Path, mlpcli: Command, tmp_path: Path) -> None:
    mine = tmp_path / "table.html"
    mine.write_text("mine")
    assert mlpcli("report", page.parent, "-o", mine).status == 2  # not a page of ours
    assert mlpcli("report", page.parent, "-o", tmp_path / "page.csv").status == 2
    assert mine.read_text() == "mine"
    other = tmp_path / "runs" / "tiny" / "2026-01-01_10-00-00"
    shutil.copytree(page.parent, other)
    resolved = yaml.safe_load((other / "resolved.yaml").read_text())
    resolved["fit"]["batch_size"] = 99
    (other / "resolved.yaml").write_text(yaml.safe_dump(resolved))
    target = tmp_path / "both.html"
    shown = mlpcli("report", page.parent, other, "-o", target, "--json")
    assert shown.status == 0, shown.err
    assert len(json.loads(shown.out)["runs"]) == 2
    found = _Page(target.read_text(encoding="utf-8"))
    assert found.open == []
    assert "fit.batch_size" in found.words
    assert mlpcli("report", page.parent, other, "-o", tmp_path / "card.md").status == 2


def test_a_run_that_did_not_end_has_a_page(mlpcli: Command, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "stopped" / "2026-01-01_10-00-00"
    run.mkdir(parents=True)
    (run / "run.json").write_text(
        json.dumps({"status": "failed", "name": "stopped", "error": "no space <b>"})
    )
    shown = mlpcli("report", "stopped", "--runs-dir", tmp_path / "runs")
    assert shown.status == 0, shown.err
    words = _Page((run / "report.html").read_text(encoding="utf-8")).words
    assert "the training did not end: it is failed: no space <b>" in words
    assert "mlpcli train --resume stopped/2026-01-01_10-00-00" in words
    (run / "metrics.json").write_text("{")
    assert mlpcli("report", "stopped", "--runs-dir", tmp_path / "runs").status == 2


def test_curves_keep_the_best_epoch_and_skip_what_is_no_number() -> None:
    nan = float("nan")
    history = [
        {"epoch": e + 1.0, "loss": nan if e == 3 else 1 / (e + 1), "val_loss": 0.5, "learning_rate": 0.1}
        for e in range(1000)
    ]
    (chart,) = charts(history, best_epoch=777)
    epochs = [point[0] for point in chart.lines[0].values]
    assert 777 in epochs
    assert 4 not in epochs
    assert len(epochs) <= 402
    assert chart.description.endswith("best epoch 777")
    one = charts([{"epoch": 1.0, "loss": 2.0}], None)
    assert one[0].lines[0].values == ((1.0, 2.0),)
    assert charts([{"epoch": 1.0, "loss": nan}], None) == []


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("name: tiny  # a comment", ["key", "comment"]),
        ("fit: {epochs: 5, batch_size: 1e3}", ["key", "key", "number", "key", "number"]),
        ("- Dense: {units: 8, activation: 'relu'}", ["key", "key", "number", "key", "text"]),
        ('path: "a # b"', ["key", "text"]),
        ("shuffle: true", ["key", "word"]),
        ("v2: x2", ["key"]),
        ("<b>: 1", ["key", "number"]),
        ("w" * 100_000, []),  # of which each letter was once the start of a key, to the end
        ("- " + "'" * 20_001, ["text"] * 1),
    ],
)
def test_a_spec_is_coloured_and_unchanged(line: str, kinds: list[str]) -> None:
    shown = str(highlighted(line))
    assert re.findall(r'class="y-(\w+)"', shown) == kinds
    assert _Page(f"<p>{shown}</p>").words == line


SCRIPT = """
<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("load", () => {
  const chart = document.querySelector(".chart"), svg = chart.querySelector("svg");
  const box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + 1, clientY: box.top + 9 }));
  const first = chart.querySelector(".legend").textContent;
  svg.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  const second = chart.querySelector(".legend").textContent;
  svg.dispatchEvent(new PointerEvent("pointerleave", {}));
  const still = chart.querySelector(".legend").textContent;
  const width = document.documentElement.scrollWidth - innerWidth;
  const result = document.createElement("output");
  result.id = "seen";
  result.textContent = JSON.stringify({ first, second, still, width, errors });
  document.body.append(result);
});
</script></head>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_curves_answer_in_a_browser(page: Path, tmp_path: Path) -> None:
    copy = tmp_path / "page.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</head>", SCRIPT, 1), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=500,900",
        "--enable-logging=stderr",
    ]
    done = subprocess.run(
        [str(CHROMIUM), *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    found = re.search(r'<output id="seen">(.*?)</output>', done.stdout)
    assert found is not None
    seen = json.loads(found[1].replace("&amp;", "&"))
    history = (page.parent / "history.csv").read_text().splitlines()
    names = history[0].split(",")
    loss = [float(line.split(",")[names.index("loss")]) for line in history[1:]]
    assert seen["first"].startswith(f"epoch 1training {loss[0]:.4f}")
    assert seen["second"].startswith(f"epoch 2training {loss[1]:.4f}")
    assert seen["still"].startswith("training")
    assert seen["width"] <= 0  # nothing sticks out on a phone
    assert seen["errors"] == []
