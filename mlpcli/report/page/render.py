"""Pages from templates: HTML in one file, and Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import SimpleNamespace

from jinja2 import ChainableUndefined, Environment, FunctionLoader
from markupsafe import Markup

import mlpcli
from mlpcli.printable import printable
from mlpcli.report.page import charts
from mlpcli.report.page.facts import RunPage
from mlpcli.report.page.highlight import highlighted

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")


def _template(name: str) -> str:
    return files("mlpcli.report.page").joinpath("templates", name).read_text(encoding="utf-8")


def _environment(*, html: bool) -> Environment:
    found = Environment(
        loader=FunctionLoader(_template),
        autoescape=html,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["md"] = as_markdown
    return found


def as_markdown(text: str) -> str:
    """Return a text from outside so that Markdown shows it as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))


def html_page(pages: Sequence[RunPage], differences: Mapping[str, Sequence[str]]) -> str:
    """Return one HTML file about one run, or about several side by side.

    Args:
        pages: of the runs.
        differences: what differs between several, by name, a value for each run.
    """
    return (
        _environment(html=True)
        .get_template("report.html.j2")
        .render(
            pages=pages,
            title=" and ".join(page.label for page in pages),
            differences=differences,
            charts=charts.charts,
            highlighted=highlighted,
            size=SimpleNamespace(
                width=charts.WIDTH,
                height=charts.HEIGHT,
                left=charts.LEFT,
                right=charts.RIGHT,
                top=charts.TOP,
                bottom=charts.BOTTOM,
            ),
            css=Markup(_template("report.css")),
            script=Markup(_template("report.js")),
            version=mlpcli.__version__,
        )
    )


def model_card(page: RunPage) -> str:
    """Return a model card of a run in Markdown."""
    text = (
        _environment(html=False)
        .get_template("model_card.md.j2")
        .render(page=page, version=mlpcli.__version__)
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
