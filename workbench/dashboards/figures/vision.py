"""Figures of the vision notebook."""

from typing import TYPE_CHECKING

import pandas as pd

from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from workbench.vision.evaluate import Evaluation


def counted_against_actual(evaluation: "Evaluation") -> "Figure":
    """One dot per image: how many cartons there are, how many were counted."""
    import plotly.graph_objects as go

    images = evaluation.images
    share = theme.share(abs(evaluation.bias_share))
    word = "Undercounts" if evaluation.bias_share < 0 else "Overcounts"
    figure = theme.figure(
        title=f"{word} by {share}: off by {evaluation.mean_absolute_error:.1f} cartons an image",
        subtitle=f"cartons per image, {len(images)} images; on the line the count is right",
        x="cartons in the image",
        y="cartons counted",
    )
    top = float(images[["actual", "counted"]].to_numpy().max()) * 1.05
    line = {"color": theme.COLOURS["reference"], "width": 1}
    figure.add_trace(go.Scatter(x=[0, top], y=[0, top], mode="lines", line=line, hoverinfo="skip"))
    figure.add_trace(
        go.Scatter(
            x=images["actual"],
            y=images["counted"],
            text=images["name"],
            mode="markers",
            marker={"color": theme.COLOURS["ours"], "size": 7, "opacity": 0.6},
            hovertemplate="%{text}<br>%{x} in the image, %{y} counted<extra></extra>",
        )
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[0, top])
    figure.update_yaxes(range=[0, top])
    return figure


def error_by_bucket(buckets: pd.DataFrame) -> "Figure":
    """Mean count error by how full the image is, with one standard deviation."""
    import plotly.graph_objects as go

    worst = buckets.loc[buckets["bias"].abs().idxmax()]
    word = "few" if worst["bias"] < 0 else "many"
    figure = theme.figure(
        title=f"Largest bias with {worst['bucket']} cartons: {abs(worst['bias']):.1f} too {word} an"
        " image",
        subtitle="mean of counted minus actual, whiskers: one standard deviation between images",
        x="cartons in the image",
        y="error, cartons per image",
    )
    figure.add_trace(
        go.Bar(
            x=buckets["bucket"].astype(str),
            y=buckets["bias"],
            error_y={"type": "data", "array": buckets["spread"].fillna(0), "thickness": 1},
            text=[f"n = {n}" for n in buckets["images"]],
            textposition="outside",
            marker={"color": theme.COLOURS["ours"]},
        )
    )
    return figure


def precision_recall(evaluation: "Evaluation") -> "Figure":
    """Precision against recall as the score that counts falls."""
    import plotly.graph_objects as go

    curve = evaluation.curve
    figure = theme.figure(
        title=f"Average precision {evaluation.average_precision:.2f} at half overlap",
        subtitle="share of found boxes that are right, by share of cartons found",
        x="recall",
        y="precision",
    )
    figure.add_trace(
        go.Scatter(
            x=curve["recall"],
            y=curve["precision"],
            mode="lines",
            line={"color": theme.COLOURS["ours"], "width": 2},
        )
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(range=[0, 1.05], tickformat=".0%")
    return figure
