"""The live executive page: the snapshot's parts, with a slider that the kernel answers."""

import html
from typing import TYPE_CHECKING, Any

from workbench.dashboards import publish, roi
from workbench.errors import WorkbenchError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from ipywidgets import GridBox


def show(workspace: Workspace) -> None:
    """Display the whole page in a notebook, or a sentence that says why there is none."""
    from IPython.display import display

    try:
        evidence = roi.load(workspace)
    except WorkbenchError as error:
        _display_html(f'<p class="failed"><strong>Nothing to show.</strong> {_escaped(error)}</p>')
        return
    _display_html(publish.head_html(evidence) + publish.board_html(evidence))
    _display_html(f'<section class="what-if"><h2>{publish.WHAT_IF_QUESTION}</h2></section>')
    display(what_if(evidence))  # type: ignore[no-untyped-call]


def what_if(evidence: roi.Evidence) -> "GridBox":
    """A slider over the simulated service targets, the figures of the chosen one, the curve."""
    from ipywidgets import HTML, GridBox, SelectionSlider, VBox

    points, chosen = roi.what_if(evidence)
    slider = SelectionSlider(
        options=[(point.target, number) for number, point in enumerate(points)],
        value=chosen,
        readout=False,
        continuous_update=True,
    )
    label, numbers = HTML(publish.label_html(points[chosen])), HTML()
    numbers.value = publish.numbers_html(points[chosen])

    def move(change: dict[str, Any]) -> None:
        point = points[int(change["new"])]
        label.value = publish.label_html(point)
        numbers.value = publish.numbers_html(point)

    slider.observe(move, names="value")
    ends = HTML(publish.ends_html(points))
    note = HTML(f'<p class="facts">{publish.WHAT_IF_NOTE}</p>')
    box = GridBox(
        [VBox([label, slider, ends, numbers, note]), HTML(publish.what_if_chart(evidence))]
    )
    box.add_class("live-what-if")
    return box


def _escaped(error: WorkbenchError) -> str:
    return html.escape(str(error))


def _display_html(text: str) -> None:
    from IPython.display import publish_display_data

    publish_display_data({"text/html": text, "text/plain": ""})  # type: ignore[no-untyped-call]
