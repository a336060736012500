"""Facets of our own, beside the standard ones; their schemas are in `contracts/schemas`.

Names follow the specification: class `Workbench<Name><Entity>Facet`, key `workbench_<name>`.
"""

from typing import Final

import attr
from openlineage.client.generated.base import DatasetFacet, RunFacet

from workbench.lineage.names import SCHEMA_PREFIX

MODELS: Final = "workbench_models"
DECISION_LOG: Final = "workbench_decisionLog"
PROVENANCE: Final = "workbench_provenance"
CLUSTER: Final = "workbench_cluster"


def _schema(name: str, version: str) -> str:
    return f"{SCHEMA_PREFIX}{name}:{version}#/$defs/{name}"


@attr.define
class Gate:
    """One check that a model had to pass."""

    name: str
    passed: bool
    value: float | None = None
    limit: float | None = None


@attr.define
class Model:
    """A model that the run trained or used."""

    name: str
    version: str
    digest: str
    role: str
    trainingInputs: dict[str, str]  # noqa: N815
    gates: list[Gate]


@attr.define
class WorkbenchModelsRunFacet(RunFacet):
    """Models that the run trained or used."""

    models: list[Model]

    @staticmethod
    def _get_schema() -> str:
        return _schema("WorkbenchModelsRunFacet", "1-0-0")


@attr.define
class WorkbenchDecisionLogRunFacet(RunFacet):
    """Entries of the decision log that the run appended."""

    origin: str
    entries: int
    treeSize: int  # noqa: N815
    rootHash: str  # noqa: N815
    firstIndex: int | None = None  # noqa: N815
    checkpoint: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return _schema("WorkbenchDecisionLogRunFacet", "1-0-0")


@attr.define
class WorkbenchClusterRunFacet(RunFacet):
    """Workers of another machine that computed what the run made."""

    scheduler: str
    workers: int
    threads: int
    memoryBytes: int  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return _schema("WorkbenchClusterRunFacet", "1-0-0")


@attr.define
class WorkbenchProvenanceDatasetFacet(DatasetFacet):
    """Where the columns of a table version come from, and whether it rests on simulated data."""

    version: str
    contentDigest: str  # noqa: N815
    source: str
    restsOnSimulated: bool  # noqa: N815
    columns: dict[str, str]
    lastObserved: str | None = None  # noqa: N815

    @staticmethod
    def _get_schema() -> str:
        return _schema("WorkbenchProvenanceDatasetFacet", "1-0-0")
