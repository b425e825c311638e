"""A drawn figure: the same as PNG and as SVG, which are written beside each other.

The SVG is small and serves both themes: its colours are the light ones, and a style sheet in it replaces them
where the reader prefers dark. Text stays text. Neither file says when it was made, so that the same figure is
the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpcli.files import write_bytes
from mlpcli.plots.style import DARK, INK, PAPER, SOFT, is_dark
from mlpcli.printable import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

RASTER_DPI = 120
"""Of the parts of an SVG that are pixels: planes, images, and layers of thousands of points."""

BRIGHTER = 1.35
"""By so much pixels are brighter in the dark theme, where they are no photographs."""

FONTS = "font-family: 'DejaVu Sans', Verdana, sans-serif"
"""The font by which texts were placed, and one that is as wide."""

FONT_LIST = re.compile(r"font-family: 'DejaVu Sans'[^;\"]*")
PATH, DECIMALS = re.compile(r'(?<= d=")[^"]+|(?<= [xy]=")[^"]+'), re.compile(r"(\.\d\d)\d+")
QUICK_PNG = {"compress_level": 1}
"""Settings of PNG that are fast to write: a small job should not wait for its figures."""


@dataclass(frozen=True)
class Drawing:
    """A figure as two files.

    Attributes:
        png: pixels, light or dark.
        svg: lines and text, for both themes.
    """

    png: bytes
    svg: bytes

    def write(self, target: Path, *, beside: bool = True) -> None:
        """Write the PNG, and the SVG beside it, each completely or not at all.

        Args:
            target: the PNG file; with the ending `.svg` the only file, which is an SVG.
            beside: whether to write the SVG too; not beside a file that a person named.
        """
        vector = target.suffix.lower() == ".svg"
        if vector or beside:
            write_bytes(target.with_suffix(".svg") if not vector else target, self.svg)
        if not vector:
            write_bytes(target, self.png)


def finish(figure: Figure, *, quick: bool = False, photographs: bool = False) -> Drawing:
    """Draw a finished figure, with none of its text read as mathematics.

    Args:
        figure: of matplotlib; its texts become printable.
        quick: whether the PNG is rather written fast than small.
        photographs: whether its pixels are images, which look the same in both themes.
    """
    from matplotlib import rc_context

    _plain_texts(figure)
    _recolour(figure, {"#000000": INK}, ticks=(SOFT, INK))
    quickly = QUICK_PNG if quick else {}
    settings = {"svg.fonttype": "none", "svg.hashsalt": "mlpcli"}
    about = {"Date": None, "Creator": None, "Title": _title(figure)}
    with warnings.catch_warnings(), rc_context(settings):
        warnings.simplefilter("ignore")  # a character that the font lacks is drawn as a box
        dark = is_dark()
        if not dark:
            png = _png(figure, quickly)
            figure.set_layout_engine("none")  # every panel is in its place now
        svg = _svg(figure, about)
        if dark:
            _recolour(figure, DARK, ticks=(DARK[SOFT], DARK[INK]))
            png = _png(figure, quickly)
    return Drawing(png, _for_both_themes(svg.decode(), photographs=photographs).encode())


def save_figure(figure: Figure, target: Path, *, beside: bool = True) -> None:
    """Write a finished figure, as PNG and SVG beside each other; see `Drawing.write`."""
    finish(figure).write(target, beside=beside)


def _png(figure: Figure, settings: Mapping[str, int]) -> bytes:
    """Return a figure as PNG: drawn once, where `savefig` draws it twice, to find out how large it is."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content, metadata={"Software": None}, pil_kwargs=dict(settings))
    return content.getvalue()


def _svg(figure: Figure, about: Mapping[str, str | None]) -> bytes:
    """Return a figure as SVG, drawn once."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content, resolution = io.BytesIO(), figure.dpi
    figure.dpi = RASTER_DPI
    FigureCanvasSVG(figure).print_svg(content, metadata=dict(about))
    figure.dpi = resolution  # print_svg leaves 72
    return content.getvalue()


def _title(figure: Figure) -> str:
    """Return what a figure is called, in one line."""
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    return " ".join(next(filter(None, titles), "").split())


def _plain_texts(figure: Figure) -> None:
    """Show texts as they are: printable, and no mathematics apart from powers of ten of matplotlib's own."""
    from matplotlib.text import Text

    numbers = {id(label) for axes in figure.axes for label in _powers(axes)}
    for text in figure.findobj(Text):
        if id(text) not in numbers:
            text.set_parse_math(False)
            text.set_text("\n".join(map(printable, text.get_text().split("\n"))))


def _powers(axes: Axes) -> list[Text]:
    """Return labels of ticks that are powers of ten, which matplotlib itself writes as mathematics."""
    from matplotlib.ticker import LogFormatter

    scales = (axes.xaxis, axes.yaxis)
    powers = [axis for axis in scales if isinstance(axis.get_major_formatter(), LogFormatter)]
    return [label for axis in powers for label in axis.get_ticklabels(which="both")]


# ---------------------------------------------------------------- colours


def _recolour(figure: Figure, colors: Mapping[str, str], ticks: tuple[str, str]) -> None:
    """Replace colours in a figure, by `#rrggbb`; those of ticks and of their labels are given."""
    from matplotlib.colors import to_hex, to_rgba

    def changed(color: Any) -> Any:
        if isinstance(color, str) and color == "none":
            return color
        found, alpha = colors.get(to_hex(color)), to_rgba(color)[3]
        return color if found is None or alpha == 0 else to_rgba(found, alpha)

    for axes in figure.axes:
        axes.tick_params(which="both", color=ticks[0], labelcolor=ticks[1])
    for artist in figure.findobj():
        for color, change in _colours_of(artist):
            found = [changed(each) for each in color] if _is_table(color) else changed(color)
            if found is not color:  # to set a color that nobody chose would make it visible
                change(found)


def _is_table(color: Any) -> bool:
    return getattr(color, "ndim", 1) == 2


def _colours_of(artist: Artist) -> Iterator[tuple[Any, Callable[[Any], object]]]:
    """Yield the colours of a line, a text, a box or many of them, and what changes each."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    if isinstance(artist, Line2D):
        face, edge = artist.get_markerfacecolor(), artist.get_markeredgecolor()
        yield artist.get_color(), artist.set_color
        yield face, artist.set_markerfacecolor
        yield edge, artist.set_markeredgecolor
    elif isinstance(artist, Text):
        yield artist.get_color(), artist.set_color
        if (box := artist.get_bbox_patch()) is not None:
            yield from _colours_of(box)
    elif isinstance(artist, Patch) or (isinstance(artist, Collection) and artist.get_array() is None):
        face, edge = artist.get_facecolor(), artist.get_edgecolor()
        yield face, artist.set_facecolor
        yield edge, artist.set_edgecolor


def _for_both_themes(svg: str, *, photographs: bool) -> str:
    """Return an SVG with a style sheet for readers who prefer dark, shorter fonts and two decimals."""
    svg = FONT_LIST.sub(FONTS, svg)
    svg = PATH.sub(lambda found: DECIMALS.sub(r"\1", found[0]), svg)
    rules = [
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
        if f"{kind}: {light}" in svg
    ]
    if not photographs and "<image" in svg:
        rules.append(f"image{{filter:brightness({BRIGHTER})}}")
    style = f"<style>text{{white-space:pre}}svg{{background:{PAPER}}}@media(prefers-color-scheme:dark){{"
    style += f"svg{{background:{DARK[PAPER]}}}{''.join(rules)}}}</style>"
    return svg.replace("<defs>", f"{style}\n <defs>", 1)
