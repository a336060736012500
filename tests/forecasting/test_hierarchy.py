"""Grouped hierarchies against pandas."""

import numpy as np
import pandas as pd
import pytest

from workbench.forecasting.hierarchy import hierarchy

KEYS = pd.DataFrame(
    {
        "state": ["CA", "CA", "TX", "TX", "CA"],
        "store": ["CA_1", "CA_1", "TX_1", "TX_1", "CA_2"],
        "item": ["a", "b", "a", "b", "a"],
    }
)
LEVELS = {"total": [], "state": ["state"], "item": ["item"], "store": ["store"],
          "series": ["item", "store"]}  # fmt: skip


def test_sums_agree_with_a_pandas_groupby():
    tree = hierarchy(KEYS, LEVELS)
    demand = np.arange(10.0).reshape(5, 2)
    sums = tree.sums(demand)
    for name, columns in LEVELS.items():
        frame = pd.DataFrame(demand)
        wanted = frame.groupby([KEYS[c] for c in columns], sort=False).sum() if columns else (
            frame.sum().to_frame().T)  # fmt: skip
        assert sums[tree.nodes(name)] == pytest.approx(wanted.to_numpy())


def test_summing_matrix_is_sparse_and_has_one_entry_per_level_and_series():
    tree = hierarchy(KEYS, LEVELS)
    assert tree.matrix.nnz == 5 * len(LEVELS)


def test_labels_join_the_columns():
    assert hierarchy(KEYS, LEVELS).labels[-1][0] == "a_CA_1"


def test_the_part_down_to_a_level_sums_the_same():
    tree = hierarchy(KEYS, {name: LEVELS[name] for name in ("total", "state", "store", "series")})
    short = tree.until("store")
    demand = np.arange(5.0)[:, None]
    all_nodes = tree.sums(demand)
    assert short.sums(all_nodes[tree.nodes("store")]) == pytest.approx(
        all_nodes[: len(short.level)]
    )


def test_a_level_that_cuts_across_cannot_be_a_bottom():
    with pytest.raises(ValueError, match="'state' splits nodes of level 'item'"):
        hierarchy(KEYS, LEVELS).until("item")


def test_a_bottom_that_merges_series_is_refused():
    with pytest.raises(ValueError, match="2 nodes for 5 series"):
        hierarchy(KEYS, {"total": [], "item": ["item"]})


def test_an_unknown_level_is_named():
    with pytest.raises(KeyError, match="'shelf'"):
        hierarchy(KEYS, LEVELS).nodes("shelf")
