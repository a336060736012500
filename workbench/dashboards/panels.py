"""The live executive page: the snapshot's parts, with a slider that the kernel answers."""

from typing import TYPE_CHECKING, Any

from workbench.dashboards import publish, roi

if TYPE_CHECKING:
    from ipywidgets import VBox


def show(evidence: roi.Evidence) -> None:
    """Display the whole page in a notebook."""
    from IPython.display import display

    _display_html(publish.head_html(evidence) + publish.board_html(evidence))
    _display_html(
        '<section class="what-if"><h2>What if every item had one service target?</h2></section>'
    )
    display(what_if(evidence))  # type: ignore[no-untyped-call]
    _display_html(publish.what_if_chart(evidence))


def what_if(evidence: roi.Evidence) -> "VBox":
    """A slider over the simulated service targets, and the figures of the chosen one."""
    from ipywidgets import HTML, SelectionSlider, VBox

    points, chosen = roi.what_if(evidence)
    slider = SelectionSlider(
        options=[(point.target, number) for number, point in enumerate(points)],
        value=chosen,
        readout=False,
        continuous_update=True,
    )
    numbers = HTML(publish.numbers_html(points[chosen]))

    def move(change: dict[str, Any]) -> None:
        numbers.value = publish.numbers_html(points[int(change["new"])])

    slider.observe(move, names="value")
    note = HTML(f'<p class="facts">{publish.WHAT_IF_NOTE}</p>')
    box = VBox([slider, numbers, note])
    box.add_class("live-what-if")
    return box


def _display_html(text: str) -> None:
    from IPython.display import publish_display_data

    publish_display_data({"text/html": text, "text/plain": ""})  # type: ignore[no-untyped-call]
