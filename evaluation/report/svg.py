"""Charts as SVG that stands in a page and takes its colours: ink is the page's text colour."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#010203"
"""Stands for the page's text colour in a chart's source."""

COLOURS = ("#3d85c6", "#e08e3c", "#4ca64c", "#c25a9d", "#8c7ae6", "#2aa6a6", "#c0504d", "#8a8a3a")
"""Of models, in their order; readable on white and on black."""

WIDE, NARROW = 13.0, 4.8
"""Inches at 72 pixels each: charts have their true size on a screen and on a phone, so that texts do too."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))

Draw = Callable[["Axes", bool], None]
"""Draws into the axes of a chart; the second is whether it is the narrow one."""


def charts(name: str, title: str, height: float, draw: Draw) -> str:
    """A chart in two widths, of which the page shows one.

    Args:
        name: different for each chart of a page.
        title: for those who cannot see it.
        height: in inches.
        draw: draws it.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    return "".join(_svg(f"{name}-{kind}", kind, title, size, height, draw) for kind, size in _SIZES.items())


_SIZES = {"wide": WIDE, "narrow": NARROW}


def _svg(name: str, kind: str, title: str, width: float, height: float, draw: Draw) -> str:
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("the charts need matplotlib: pip install 'trtzoo[report]'") from error
    stream = io.StringIO()
    with rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot(), kind == "narrow")
        figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    return _embedded(stream.getvalue(), name, kind, title)


def _embedded(svg: str, name: str, kind: str, title: str) -> str:
    """What stands in a page: without a head of its own, with names of its own, and with the page's ink."""
    from markupsafe import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-').replace(INK, "currentColor")
    box = re.search(r'viewBox="[^"]*"', body)
    start = f'<svg class="{kind}" role="img" aria-label="{escape(title)}" {box.group() if box else ""}>'
    return start + body[body.index(">") + 1 :]
