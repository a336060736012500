"""How pages and plots look, stated once: colours, type, plotly template, number formats.

Series colours are those of Okabe and Ito 2008 ("Color Universal Design"), safe for colour-blind
readers; a sign or a word always stands beside a colour that carries meaning.
"""

import html
import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

INK: Final = "#1b1f24"
MUTED: Final = "#5c6670"
HAIRLINE: Final = "#d9dee3"
PAGE: Final = "#ffffff"
PANEL: Final = "#f6f8fa"
COLOURS: Final = {
    "ours": "#0072B2",
    "reference": "#8c959f",
    "attention": "#E69F00",
    "good": "#009E73",
    "bad": "#D55E00",
    "extra": "#CC79A7",
    "second": "#56B4E9",
}
FONT: Final = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans",'
    " sans-serif"
)
_AMOUNT: Final = re.compile(r"(?<=[$€£¥]) (?=\d)")
_SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_HEADER_PIXELS: Final = 76  # title and subtitle
_FOOTER_PIXELS: Final = 84  # axis title and caption
_TITLE_CHARACTERS: Final = 62  # fit on one line at 720 px; a page wraps again by its own width
_CLOSE: Final = 0.15  # of what is drawn: ends of lines nearer than that have their labels spread
_LABEL_PIXELS: Final = 15
CAPTION: Final = "caption"  # name of the annotation that a page shows as text below the figure
CAPTION_PIXELS: Final = 28
_PROSE: Final = 40  # characters from which text wants a line of its own on a phone
_MOST_DECIMALS: Final = 4  # of a column
_LONG_TEXT: Final = 20  # characters of a cell that may be wrapped, but not word by word


def figure(
    title: str, subtitle: str = "", *, x: str = "", y: str = "", height: int = 420
) -> "Figure":
    """An empty figure: the finding as title, what is plotted as subtitle, axes with units.

    Title and subtitle are plain text: markup in them, as in an item's name, is shown as written.
    """
    import plotly.graph_objects as go

    lines = [
        f"<b>{html.escape(line, quote=False)}</b>" for line in _wrapped(title, _TITLE_CHARACTERS)
    ]
    small = [
        f'<span style="font-size:13px;color:{MUTED}">{html.escape(line, quote=False)}</span>'
        for line in _wrapped(subtitle, 96)
    ]
    top = _HEADER_PIXELS + 20 * (len(lines) - 1) + 16 * max(0, len(small) - 1)
    result = go.Figure()
    axis_font = {"size": 13, "color": MUTED}
    axis: dict[str, Any] = {
        "gridcolor": HAIRLINE, "linecolor": HAIRLINE, "zerolinecolor": HAIRLINE, "ticks": "",
        "automargin": True,
        "tickfont": {"size": 12, "color": MUTED},
    }  # fmt: skip
    result.update_layout(
        title={
            "text": "<br>".join([*lines, *small]), "x": 0, "xanchor": "left", "xref": "container",
            "y": 1, "yanchor": "top", "pad": {"t": 14, "l": 8}, "font": {"size": 16, "color": INK},
        },
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        colorway=list(COLOURS.values()),
        margin={"l": 60, "r": 24, "t": top, "b": _FOOTER_PIXELS},
        height=height, showlegend=False, hovermode="closest", bargap=0.25,
        hoverlabel={"font": {"family": FONT, "size": 13}},
        xaxis={**axis, "title": {"text": x, "font": axis_font}, "showgrid": False},
        yaxis={**axis, "title": {"text": y, "font": axis_font}},
        legend={
            "orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom",
            "font": {"size": 12},
        },
    )  # fmt: skip
    return result


def nothing_to_plot(finding: str, why: str = "") -> "Figure":
    """A figure without data: says in words what a plot would have shown."""
    chart = figure(finding, why)
    chart.update_layout(height=int(chart.layout.margin.t) + CAPTION_PIXELS)
    chart.update_layout(margin={"b": CAPTION_PIXELS})
    chart.update_xaxes(visible=False)
    chart.update_yaxes(visible=False)
    return chart


def caption(
    chart: "Figure", run_id: str, digests: Sequence[str] = (), *, simulated: bool = False
) -> "Figure":
    """The line below a figure: run, table digests (short), whether it rests on simulated data.

    Hovering over it tells the command that shows the run. A page of ours takes the line out of the
    figure and sets it as text, which wraps on a phone.
    """
    parts = [f"run {run_id[-8:]}"]
    if digests:
        parts.append("tables " + ", ".join(digest[:8] for digest in digests[:3]))
        if len(digests) > 3:
            parts[-1] += f" and {len(digests) - 3} more"
    if simulated:
        parts.append("simulated")
    chart.add_annotation(
        name=CAPTION, text=" · ".join(parts), hovertext=run_command(run_id),
        x=0, xanchor="left", xref="paper", y=0, yref="paper", yanchor="top", yshift=-58,
        showarrow=False, font={"size": 12, "color": MUTED},
    )  # fmt: skip
    return chart


def run_command(run_id: str) -> str:
    """What shows a run: its parameters, inputs and outputs."""
    return f"workbench runs show {run_id}"


def band(colour: str, opacity: float) -> str:
    """A series colour as a translucent fill, for intervals."""
    code = COLOURS[colour].lstrip("#")
    red, green, blue = (int(code[i : i + 2], 16) for i in (0, 2, 4))
    return f"rgba({red},{green},{blue},{opacity})"


def direct_label(
    chart: "Figure", text: str, *, x: Any, y: Any, colour: str = INK, above: bool = False
) -> None:
    """A label beside a line instead of a legend: right of its end, or above its start."""
    place = {"yanchor": "bottom", "yshift": 6} if above else {"xshift": 6}
    chart.add_annotation(
        text=text, x=x, y=y, xanchor="left", showarrow=False,
        font={"size": 12, "color": colour}, **place,
    )  # fmt: skip


def labels_at_ends(chart: "Figure", ends: Sequence[tuple[str, Any, float, str]]) -> None:
    """Direct labels right of the ends of lines, spread where they would overlap.

    Args:
        chart: Figure whose lines end there.
        ends: Text, x, y and colour of each.
    """
    ordered = sorted(ends, key=lambda end: end[2])
    middle = (len(ordered) - 1) / 2
    values = [end[2] for end in ordered]
    heights = [y for trace in chart.data for y in (trace.y if trace.y is not None else ())]
    drawn = [abs(float(y)) for y in heights if isinstance(y, Real) and math.isfinite(y)]
    close = max(values) - min(values) < _CLOSE * max([*drawn, *map(abs, values)])
    for place, (text, x, y, colour) in enumerate(ordered):
        chart.add_annotation(
            text=text, x=x, y=y, xanchor="left", showarrow=False, xshift=6,
            yshift=_LABEL_PIXELS * (place - middle) if close else 0,
            font={"size": 12, "color": colour},
        )  # fmt: skip


def ends_together(
    ends: list[tuple[str, str, float, str]], *, apart: float = 7
) -> list[tuple[str, str, float, str]]:
    """One label for lines that end less than `apart` points from each other."""
    joined: list[tuple[str, str, float, str]] = []
    for name, x, y, colour in sorted(ends, key=lambda end: -end[2]):
        if joined and joined[-1][1] == x and joined[-1][2] - y < apart:
            first = joined.pop()
            joined.append((f"{first[0]}<br>{name}", x, first[2], INK))
        else:
            joined.append((name, x, y, colour))
    return joined


def number(value: float) -> str:
    """Three significant figures, with k, M or bn; a whole number below 10,000 stands in full."""
    if value is None or not math.isfinite(value):
        return "–"
    whole = float(value).is_integer() and abs(value) < 1e4
    size = abs(value) if whole else float(f"{abs(value):.3g}")
    text = f"{size:,.0f}" if whole else _three_figures(size)
    return ("−" if value < 0 else "") + text


def _three_figures(size: float) -> str:
    """A size that is rounded already, with its decimals and unit."""
    unit = ""
    for limit, divisor, name in ((1e9, 1e9, " bn"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if size >= limit:
            size, unit = size / divisor, name
            break
    digits = max(0, 2 - math.floor(math.log10(size)))
    return f"{size:,.{digits if size < 0.1 else min(digits, 2)}f}{unit}"


def money(value: float, currency: str) -> str:
    """Money with its currency and three significant figures, or two decimals below one."""
    symbol = _SYMBOLS.get(currency, currency)
    if value is None or not math.isfinite(value):
        return "–"
    small = 0 < abs(value) < 1
    text = f"{value:.2f}".replace("-", "−") if small else number(float(f"{value:.3g}"))
    sign, text = ("−", text[1:]) if text.startswith("−") else ("", text)
    return f"{sign}{symbol} {text}"


def share(value: float) -> str:
    """A share in per cent with one decimal."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value * 100:.1f}%".replace("-", "−")


def table_html(frame: pd.DataFrame, *, title: str, total: int | None = None) -> str:
    """A table for reports: title, right-aligned numbers, a note when rows are left out.

    Numbers of one column have the same decimals, so that they can be compared at a glance. On a
    phone, sentences stand below the rest of their row.
    """
    if frame.empty:
        note = '<p class="wb-note">No rows.</p></div>'
        return f'<div class="wb-table"><p class="wb-table-title">{html.escape(title)}</p>{note}'
    columns = [_texts(frame.iloc[:, place]) for place in range(frame.shape[1])]
    kinds = [_kind(*pair) for pair in zip(frame.dtypes, columns, strict=True)]
    head = "".join(
        f'<th class="{kind}">{html.escape(str(name).replace("_", " "))}</th>'
        for name, kind in zip(frame.columns, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}">{html.escape(text)}</td>'
            for text, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in zip(*columns, strict=True)
    )
    note = ""
    if total is not None and total > len(frame):
        note = f'<p class="wb-note">First {len(frame):,} of {total:,} rows.</p>'
    beside = len(kinds) - kinds.count("prose")
    folds = f' class="folds" style="--beside:{beside}"' if 0 < beside < len(kinds) else ""
    return (
        f'<div class="wb-table"><p class="wb-table-title">{html.escape(title)}</p>'
        f'<div class="wb-scroll"><table{folds}><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        f"</div>{note}</div>"
    )


def _kind(dtype: Any, texts: Sequence[str]) -> str:
    """Class of a column's cells; on a phone, sentences fold and long texts keep a width."""
    if pd.api.types.is_numeric_dtype(dtype):
        return "num"
    if any(len(text) > _PROSE and " " in text for text in texts):
        return "prose"
    return "txt long" if max(map(len, texts)) > _LONG_TEXT else "txt"


def _texts(column: "pd.Series[Any]") -> list[str]:
    """A column's cells as text."""
    if not pd.api.types.is_float_dtype(column.dtype):
        return [_cell(value) for value in column]
    decimals = _decimals(column)
    return ["–" if pd.isna(value) else _decimal(float(value), decimals) for value in column]


def _decimals(column: "pd.Series[Any]") -> int:
    """Decimals of a column: three figures of the largest value, one of the smallest, at most 4."""
    sizes = [abs(float(v)) for v in column if not pd.isna(v) and v and math.isfinite(v)]
    if all(size.is_integer() for size in sizes):
        return 0
    largest, smallest = (math.floor(math.log10(size)) for size in (max(sizes), min(sizes)))
    return min(_MOST_DECIMALS, max(0, 2 - largest, -smallest))


def _decimal(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if value and not text.strip("-0.,"):
        text = f"{value:.1g}"  # too small for the column's decimals, yet not zero
    return text.replace("-", "−")


def _cell(value: Any) -> str:
    if value is None or (not isinstance(value, (list, tuple, dict)) and pd.isna(value)):
        return "–"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _decimal(value, _decimals(pd.Series([value])))
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    return str(value)


def bound(text: str) -> str:
    """Text in which no line ends between a currency and its amount."""
    return _AMOUNT.sub("\u00a0", text)


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(bound(text), width) or [""]
