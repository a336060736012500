"""Fitted families as bytes, to be put on record and opened again.

    data = archive(fitted)
    restored(data).forecast(history)

A zip of plain parts: `family.json` says what lies in what, large arrays are .npy files, LightGBM
models their own text, networks ONNX files. The same fitted family gives the same bytes; opening
them builds the classes below from their fields and runs nothing else that the file may hold.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from workbench.errors import ModelError
from workbench.forecasting import calibrated, deep, hybrid, members, stacking, statistical
from workbench.forecasting.distribution import CountDistribution
from workbench.forecasting.global_model import GlobalModel, Window
from workbench.forecasting.global_quantiles import QuantileModels
from workbench.forecasting.protocol import Fitted, Task
from workbench.forecasting.slow_movers import CountForecaster

INDEX: Final = "family.json"
_VERSION: Final = 1
_SMALL: Final = 64  # values; arrays of no more stand in the index
_WHEN: Final = (1980, 1, 1, 0, 0, 0)  # of every part, so that bytes follow from what is in them
_DIFFER: Final = {"cpu_seconds"}  # from run to run
_KINDS: Final = {
    kind.__name__: kind
    for kind in (
        Task, Window, CountDistribution, CountForecaster, GlobalModel, QuantileModels,
        calibrated.CountsFitted, calibrated.ConformalFitted, hybrid.HybridFitted,
        members.NaiveFitted, members.SlowMoversFitted, members.RateFitted, members.LightGBMFitted,
        members.QuantilesFitted, members.DaysFitted, stacking.EnsembleFitted,
    )
}  # fmt: skip


def archive(fitted: Fitted) -> bytes:
    """The bytes of a fitted family.

    Raises:
        ModelError: It holds something that has no plain form: a family of one's own keeps its bytes
            itself, as `serialised`.
    """
    parts: dict[str, bytes] = {}
    tree = _plain(fitted, parts)
    index = json.dumps({"version": _VERSION, "fitted": tree}, sort_keys=True, indent=0)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in {INDEX: index.encode(), **parts}.items():
            made.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def restored(data: bytes, *, serve: deep.Serve | None = None) -> Any:
    """The fitted family that gave these bytes.

    Args:
        data: Of `archive`.
        serve: Opens networks, where the family has one: `adapters.onnx_runtime.SequenceNetwork`.

    Raises:
        ModelError: The bytes are no archive of this version, or hold a network and nothing serves
            it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            parts = {name: file.read(name) for name in file.namelist()}
            index = json.loads(parts[INDEX])
            if index["version"] != _VERSION:
                raise ValueError(f"version {index['version']}")
            return _Opened(parts, serve).value(index["fitted"])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"stored family: cannot be opened ({error}); expected the bytes of"
            f" `stored.archive`, version {_VERSION}: take them from the report of the run again."
        ) from error


def _plain(value: Any, parts: dict[str, bytes]) -> Any:
    """A value as JSON, with its large parts beside it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain_array(value, parts)
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_plain(one, parts) for one in value]}
    if isinstance(value, Mapping):
        return {"dict": [[str(key), _plain(one, parts)] for key, one in value.items()]}
    if isinstance(value, statistical.StatisticalFitted):
        states = [_plain(statistical.state_of(one, value.kind), parts) for one in value.models]
        return {"statistical": states, "kind": value.kind, "task": _plain(value.task, parts)}
    if isinstance(value, deep.DeepFitted):
        name = _put(parts, "onnx", value.serialised)
        return {"network": name, "task": _plain(value.task, parts)}
    if hasattr(value, "model_to_string"):
        return {"booster": _put(parts, "txt", str(value.model_to_string()).encode())}
    return _plain_fields(value, parts)


def _plain_fields(value: Any, parts: dict[str, bytes]) -> Any:
    name = type(value).__name__
    if not is_dataclass(value) or _KINDS.get(name) is not type(value):
        raise ModelError(
            f"stored family: a part of type {name!r} has no plain form; expected one of"
            f" {', '.join(sorted(_KINDS))}: keep the bytes of a family of your own yourself."
        )
    kept = {one.name: getattr(value, one.name) for one in fields(value) if one.name[0] != "_"}
    kept |= dict.fromkeys(kept.keys() & _DIFFER, 0.0)
    return {"type": name, "fields": {key: _plain(one, parts) for key, one in kept.items()}}


def _plain_array(value: Any, parts: dict[str, bytes]) -> Any:
    if value.size <= _SMALL and value.dtype.kind in "fiub":
        return {"small": value.tolist(), "dtype": value.dtype.str, "shape": list(value.shape)}
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return {"array": _put(parts, "npy", file.getvalue())}


def _put(parts: dict[str, bytes], ending: str, data: bytes) -> str:
    name = f"part-{len(parts)}.{ending}"
    parts[name] = data
    return name


class _Opened:
    """The parts of an archive, made into what they were."""

    def __init__(self, parts: Mapping[str, bytes], serve: deep.Serve | None) -> None:
        self._parts = parts
        self._serve = serve
        self._made: Mapping[str, Callable[[Any], Any]] = {
            "tuple": lambda tree: tuple(self.value(one) for one in tree["tuple"]),
            "list": lambda tree: [self.value(one) for one in tree["list"]],
            "dict": lambda tree: {key: self.value(one) for key, one in tree["dict"]},
            "small": lambda tree: np.array(tree["small"], tree["dtype"]).reshape(tree["shape"]),
            "array": lambda tree: np.load(io.BytesIO(parts[tree["array"]]), allow_pickle=False),
            "booster": self._booster, "statistical": self._statistical, "network": self._network,
            "type": self._fields,
        }  # fmt: skip

    def value(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        kind = next(name for name in self._made if name in tree)
        return self._made[kind](tree)

    def _fields(self, tree: Any) -> Any:
        made = {key: self.value(one) for key, one in tree["fields"].items()}
        return _KINDS[tree["type"]](**made)

    def _booster(self, tree: Any) -> Any:
        return GlobalModel.load(self._parts[tree["booster"]]).booster

    def _statistical(self, tree: Any) -> Any:
        kind, task = tree["kind"], self.value(tree["task"])
        models = [
            statistical.with_state(self.value(one), kind, task.season)
            for one in tree["statistical"]
        ]
        return statistical.StatisticalFitted(models, kind, task)

    def _network(self, tree: Any) -> Any:
        if self._serve is None:
            raise ModelError(
                "stored family: it holds a network; expected what serves it: pass"
                " `serve=SequenceNetwork` (adapters.onnx_runtime)."
            )
        task = self.value(tree["task"])
        return deep.open_deep(self._parts[tree["network"]], task, serve=self._serve)
