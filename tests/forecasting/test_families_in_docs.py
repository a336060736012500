"""The page for data scientists shows code that runs."""

import re
from pathlib import Path

import numpy as np

from workbench.forecasting import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "data-scientist.md"
SECTION = PAGE.read_text().split("## Families of models")[1].split("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


def test_the_examples_run_and_a_family_of_ones_own_is_scored():
    units = np.random.default_rng(1).poisson(2.0, (20, 290)).astype(float)
    names = {"np": np, "units": units}
    exec(BLOCKS[0], names)
    exec(BLOCKS[1], names)
    assert names["fitted"].forecast(names["history"]).quantiles.shape == (20, 2, 3)
    scores = names["scores"].set_index("model")["vw_pinball"]
    # Demand is Poisson with a fixed rate: a long mean loses less than last week.
    assert scores["moving_average"] < scores["seasonal_naive"]


def test_the_page_names_every_family():
    named = set(re.findall(r"`(\w+)`", SECTION.split("| family |")[1].split("\n\n")[0]))
    assert named >= set(catalogue.FAMILIES)
