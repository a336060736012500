"""The families that ship: name, what each is good for, how it is made.

    fitted, cost = measured(lambda: FAMILIES["ets"].fit(history, task))

The sequence model is one more: it is trained where torch is installed, and whoever calls brings
what serves its network (`networks`). What they cost and how they do on real data stands in
`benchmarks/results/forecasting_families.md`.
"""

from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import Final

import pandas as pd

from workbench.errors import ContractError
from workbench.forecasting.calibrated import Conformal, Counts
from workbench.forecasting.deep import Deep, Serve
from workbench.forecasting.deep_training import train
from workbench.forecasting.hybrid import Hybrid
from workbench.forecasting.intermittent import METHODS
from workbench.forecasting.members import (
    LightGBMDays,
    LightGBMMean,
    LightGBMQuantiles,
    Naive,
    Rate,
    SlowMovers,
)
from workbench.forecasting.protocol import Family
from workbench.forecasting.stacking import Ensemble
from workbench.forecasting.statistical import MODELS, Statistical


def _all() -> dict[str, Family]:
    counts = Counts(LightGBMMean())
    members: tuple[Family, ...] = (counts, Conformal(LightGBMQuantiles()), SlowMovers("imapa"))
    each: list[Family] = [
        Naive(seasonal=False), Naive(),
        *(SlowMovers(method) for method in METHODS),
        *(Counts(Statistical(kind), refit=False) for kind in MODELS),
        counts, Conformal(LightGBMQuantiles()), Counts(LightGBMDays()),
        Counts(Hybrid(Rate("imapa"))), Counts(Hybrid(Statistical("ets"))),
        Ensemble(members), Ensemble(members, choose=True),
    ]  # fmt: skip
    return {family.name: family for family in each}


FAMILIES: Mapping[str, Family] = _all()
DEEP: Final = Deep.name
NAMES: Final = (*FAMILIES, DEEP)


def can_train() -> bool:
    """Whether the sequence model can be trained here."""
    return find_spec("torch") is not None


def networks(names: Collection[str], *, serve: Serve) -> dict[str, Family]:
    """The sequence model by name, where it is asked for and can be trained.

    Args:
        names: Of the families that are wanted.
        serve: Opens a network: `adapters.onnx_runtime.SequenceNetwork`.
    """
    if DEEP not in names or not can_train():
        return {}
    return {DEEP: Conformal(Deep(train, serve))}


def families(names: Sequence[str]) -> dict[str, Family]:
    """Families by name, in the order asked.

    Raises:
        ContractError: There is none of a name.
    """
    for name in names:
        if name not in FAMILIES:
            raise ContractError(
                f"family {name!r}: unknown; expected one of {', '.join(FAMILIES)}: see"
                " catalogue.py."
            )
    return {name: FAMILIES[name] for name in names}


def table() -> pd.DataFrame:
    """Name and purpose of each family: model, good_for."""
    rows = [(name, family.good_for) for name, family in FAMILIES.items()]
    rows.append((DEEP, Deep.good_for))
    return pd.DataFrame(rows, columns=["model", "good_for"])
