"""Renders evidently's drift report: what it shows is for reading, our own tests decide."""

import os
from collections.abc import Sequence

import pandas as pd


def drift_report_html(
    current: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    numerical: Sequence[str],
    categorical: Sequence[str] = (),
) -> str:
    """A self-contained page comparing two periods column by column.

    The page's own verdicts use tests that take rows for independent, which rows of one item are
    not: they raise too often.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")  # before the import, which starts telemetry
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=list(numerical), categorical_columns=list(categorical)
    )
    columns = [*numerical, *categorical]
    datasets = [
        Dataset.from_pandas(frame[columns].reset_index(drop=True), data_definition=definition)
        for frame in (current, reference)
    ]
    snapshot = Report([DataDriftPreset()]).run(*datasets)
    return str(snapshot.get_html_str(as_iframe=False))
