"""Parts of a panel on workers of a dask.distributed scheduler, and LightGBM trained across them.

A part travels once, to one worker, and stays there; what is done with it travels by name. A worker
that runs short of memory moves parts to its disk (dask's `memory_limit`), so that many small parts
need no more than a few. Whoever reaches a scheduler can run code on its workers: keep it in a
private network, or give TLS certificates (`DASK_DISTRIBUTED__COMM__TLS__…`) and a `tls://` address.
"""

import asyncio
import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Final, Self

from workbench.errors import ConfigError, RunError
from workbench.lineage.facts import ClusterUse

_TIMES: Final = 3  # a part that was lost with its worker is placed again so many times


class DaskWorkers:
    """Workers of one scheduler; satisfies `forecasting.partitions.Workers`.

    Attributes:
        cluster: What is known of them.
        thread_memory_bytes: The least memory that a thread has to itself; 0 without a limit.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self.cluster, self.thread_memory_bytes = _described(client, address)

    @classmethod
    def connect(cls, address: str, *, timeout: float = 5) -> Self:
        """Workers that are there now.

        Args:
            address: Of the scheduler, for example `tcp://host:8786`.
            timeout: Seconds to wait for the scheduler, and then for a worker.

        Raises:
            ConfigError: dask is not installed, nobody answers, or there is no worker.
        """
        try:
            from distributed import Client
        except ImportError as error:
            raise ConfigError(
                f"--cluster {address}: package 'distributed' is not installed; expected the extra"
                " 'cluster': pip install 'inventory-workbench[cluster]', here and on every worker."
            ) from error
        _reach(address, timeout)
        client = Client(address, timeout=timeout, set_as_default=False, name="workbench")
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            client.close()
            raise ConfigError(
                f"--cluster {address}: the scheduler has no worker; expected one or more, start"
                f" them: dask worker {address} --nthreads 1 --memory-limit 4GiB."
            ) from error
        return cls(client, address)

    def close(self) -> None:
        """Let the scheduler forget what was placed."""
        self._client.close()

    @property
    def count(self) -> int:
        """Worker processes."""
        return self.cluster.workers

    def __str__(self) -> str:
        memory = f"{self.cluster.memory_bytes / 2**30:.1f} GiB" if self.cluster.memory_bytes else (
            "no limit of memory"
        )  # fmt: skip
        return (
            f"computed by {self.cluster.workers} workers with {self.cluster.threads} threads at"
            f" {self._address}, {memory} each"
        )

    def ask(self, question: Callable[[], Any]) -> dict[str, Any]:
        """What every worker answers, by its address.

        Raises:
            ConfigError: A worker cannot import what is asked for.
        """
        try:
            return dict(self._client.run(question))
        except ImportError as error:
            raise ConfigError(
                f"--cluster {self._address}: a worker lacks a package ({error}); expected this"
                " workbench with its locked packages on every worker: install it there."
            ) from error

    def place(self, parts: Sequence[Any]) -> list[Any]:
        """Send each part to a worker, in turn; what stands for them there."""
        places = [_Placed(part) for part in parts]
        self._send(places)
        return places

    def map(
        self, work: Callable[..., Any], places: Sequence[Any], given: Sequence[tuple[Any, ...]]
    ) -> list[Any]:
        """`work(part, *given)` of every part, in their order, each with what is given for it.

        Raises:
            RunError: A worker was lost again and again, for example for lack of memory.
            Exception: What `work` raised.
        """
        from distributed import as_completed

        results: list[Any] = [None] * len(places)
        waiting = set(range(len(places)))
        for _ in range(_TIMES):
            started = {self._start(work, places[n], *given[n]): n for n in sorted(waiting)}
            for future in as_completed(started, loop=self._client.loop):
                if future.status == "finished":
                    results[started[future]] = future.result()
                    waiting.discard(started[future])
                elif not _is_loss(future):
                    future.result()
            if not waiting:
                return results
            self._send([places[n] for n in sorted(waiting)])
        raise RunError(
            f"--cluster {self._address}: {len(waiting)} of {len(places)} parts were lost with their"
            f" worker {_TIMES} times; expected workers to live, look at their messages and give"
            " them more memory or fewer threads."
        )

    def boost(
        self,
        rows: Callable[..., Any],
        places: Sequence[Any],
        given: Sequence[tuple[Any, ...]],
        *,
        wanted: Sequence[Any],
    ) -> list[str]:
        """LightGBM models of all parts' rows, trained where these lie; as text.

        Args:
            rows: Called with a part and what is given for it: features (float32), target, initial
                score and weight, None where a model has none.
            places: Of the parts.
            given: Further arguments of `rows`, by part.
            wanted: A `partitions.Boosting` for each model; threads are those of each worker.

        Raises:
            RunError: No part has a row.
        """
        from distributed import Lock

        homes = [place.home for place in places]
        made = [self._start(rows, place, *g) for place, g in zip(places, given, strict=True)]
        placed = list(zip(made, homes, strict=True))
        sizes = self._client.gather([self._at(one, home, _size) for one, home in placed])
        full = [(*one, size) for one, size in zip(placed, sizes, strict=True) if size]
        if not full:
            raise RunError("training: no part has a row; expected past windows that have ended.")
        # Trainings at once would wait for each other's workers for ever.
        with self._client.as_current(), Lock("workbench-training"):
            return [self._trained(full, model) for model in wanted]

    def _trained(self, made: Sequence[tuple[Any, str, int]], wanted: Any) -> str:
        from lightgbm import DaskLGBMRegressor

        x, y = self._array(made, 0, width=len(wanted.names)), self._array(made, 1)
        own = ("num_threads", "force_row_wise")  # of one thread; workers have any number
        chosen = {k: v for k, v in wanted.parameters.items() if k not in own}
        chosen["force_col_wise"] = True
        learner = DaskLGBMRegressor(client=self._client, n_estimators=wanted.trees, **chosen)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints of its ports
            warnings.filterwarnings("ignore", message="Parameter n_jobs will be ignored")
            fitted = learner.fit(
                x, y,
                init_score=self._array(made, 2) if wanted.offset else None,
                sample_weight=self._array(made, 3) if wanted.weighted else None,
                feature_name=list(wanted.names),
            )  # fmt: skip
        return _without_network(fitted.booster_.model_to_string())

    def _array(self, made: Sequence[tuple[Any, str, int]], place: int, *, width: int = 0) -> Any:
        """One of the arrays that `rows` gave, over all parts, where they lie."""
        from dask import array
        from dask.delayed import delayed

        shape, kind = ((width,), "float32") if width else ((), "float64")
        return array.concatenate([
            array.from_delayed(
                delayed(self._at(one, home, _item, place)), (size, *shape), kind
            )
            for one, home, size in made
        ])  # fmt: skip

    def _start(self, work: Callable[..., Any], place: "_Placed", *given: Any) -> Any:
        return self._at(place.future, place.home, work, *given)

    def _at(self, held: Any, home: str, work: Callable[..., Any], *given: Any) -> Any:
        """Start where the part lies, so that a training sums in one order; elsewhere if need be."""
        return self._client.submit(
            work, held, *given, pure=False, workers=[home], allow_other_workers=True
        )

    def _send(self, places: Sequence["_Placed"]) -> None:
        """Place parts on the workers that there are, in turn."""
        self._client.wait_for_workers(1, timeout=60)
        homes = sorted(self._client.scheduler_info(n_workers=-1)["workers"])
        for number, place in enumerate(places):
            place.home = homes[number % len(homes)]
            place.future = self._client.scatter([place.part], workers=[place.home], hash=False)[0]


@dataclass
class _Placed:
    """A part on a worker, and here to send it again."""

    part: Any
    home: str = ""
    future: Any = None


def _reach(address: str, timeout: float) -> None:
    """Refuse an address at which no scheduler answers.

    Raises:
        ConfigError: It is malformed, or nobody answers.
    """
    from distributed.comm.core import connect

    async def knock() -> None:
        comm = await connect(address, timeout=timeout)
        comm.abort()

    try:
        with ThreadPoolExecutor(1) as aside:  # a notebook's own loop is busy running its cell
            aside.submit(lambda: asyncio.run(knock())).result()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--cluster {address}: no scheduler answers ({error}); expected the address that 'dask"
            " scheduler' prints, such as tcp://host:8786. Start it or correct the address."
        ) from error


def _described(client: Any, address: str) -> tuple[ClusterUse, int]:
    """What the scheduler says of its workers, and the least memory of a thread."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [(int(one["memory_limit"] or 0), int(one["nthreads"])) for one in workers]
    cluster = ClusterUse(
        scheduler=address,
        workers=len(limits),
        threads=sum(threads for _, threads in limits),
        memory_bytes=min(limit for limit, _ in limits),
    )
    return cluster, min(limit // max(threads, 1) for limit, threads in limits)


def _is_loss(future: Any) -> bool:
    """Whether a task failed because its worker or its part is gone, and not by itself."""
    from distributed.scheduler import KilledWorker

    return future.status in ("cancelled", "lost") or isinstance(future.exception(), KilledWorker)


def _size(rows: tuple[Any, ...]) -> int:
    return len(rows[0])


def _item(rows: tuple[Any, ...], place: int) -> Any:
    return rows[place]


def _without_network(model: str) -> str:
    """A model's text without the ports and machines of this one training."""
    names = ("machines", "local_listen_port", "num_machines", "time_out", "num_threads")
    gone = tuple(f"[{name}:" for name in names)
    return "\n".join(line for line in model.split("\n") if not line.startswith(gone))
