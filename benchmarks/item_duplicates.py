"""Measures how many seeded duplicates of an item master are found, beside plain rapidfuzz.

Run: python -m benchmarks.item_duplicates [--seeds 5] [--out FILE]

Seeded into a catalogue whose neighbours differ in a word or in size (`seeded_duplicates.py` beside
the tests): eight ways of writing an item otherwise, 50 of each, several seeds. The peer compares
whole names of all pairs with rapidfuzz's `token_sort_ratio`; it is given the cut-off with the best
F1 on the same data, which no user could choose. Growth: catalogues with made-up words, ten times as
large.
"""

import argparse
import platform
import random
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rapidfuzz import fuzz, process, utils

from workbench.item_master.duplicates import duplicates

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "item_master"))
from seeded_duplicates import WAYS, catalogue, seeded  # noqa: E402

SIZES = (1_000, 10_000, 50_000)


def scores(found: set[frozenset[str]], truth: dict[str, tuple[str, str]], clean: int) -> tuple:
    """Share of seeded duplicates found, share of clean items in a false pair."""
    wanted = {frozenset((name, item)) for name, (item, _) in truth.items()}
    false = {name for pair in found - wanted for name in pair} - set(truth)
    return len(found & wanted) / len(wanted), len(false) / clean


def ours(items: pd.DataFrame) -> set[frozenset[str]]:
    return {frozenset((pair.item_id, pair.duplicate_id)) for pair in duplicates(items)}


def peer(items: pd.DataFrame, truth: dict[str, tuple[str, str]]) -> set[frozenset[str]]:
    """Pairs at the cut-off of the best F1."""
    names = items["description"].tolist()
    table = process.cdist(
        names,
        names,
        scorer=fuzz.token_sort_ratio,
        processor=utils.default_process,
        dtype=np.float32,
    )
    wanted = {frozenset((name, item)) for name, (item, _) in truth.items()}
    best: tuple[float, set[frozenset[str]]] = (0.0, set())
    for cut in range(70, 100, 2):
        one, other = np.nonzero(np.triu(table >= cut, 1))
        ids = items["item_id"].to_numpy()
        found = {frozenset(pair) for pair in zip(ids[one], ids[other], strict=True)}
        f1 = 2 * len(found & wanted) / (len(found) + len(wanted))
        best = max(best, (f1, found), key=lambda pair: pair[0])
    return best[1]


def made_up(size: int, seed: int) -> pd.DataFrame:
    """Items of made-up words, as many as a real master of that size has: growth only."""
    rng = random.Random(seed)
    letters = "bcdfglmnprst", "aeiou"
    words = ["".join(rng.choice(letters[i % 2]) for i in range(rng.randint(5, 9)))
             for _ in range(size // 5)]  # fmt: skip
    names = [
        f"{' '.join(rng.sample(words, 3))} {rng.choice((250, 500, 750))} ml" for _ in range(size)
    ]
    return pd.DataFrame({"item_id": [f"M{i}" for i in range(size)], "description": names})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/item_duplicates.md")
    arguments = parser.parse_args()
    clean = catalogue()
    rows = []
    for seed in range(1, arguments.seeds + 1):
        items, truth = seeded(clean, 1_000 + seed, 50)
        rows.append((*scores(ours(items), truth, len(clean)),
                     *scores(peer(items, truth), truth, len(clean))))  # fmt: skip
    table = np.array(rows)
    lines = [
        "# Duplicates of an item master", "",
        f"{len(clean):,} clean items and {50 * len(WAYS)} duplicates, {arguments.seeds} seeds; mean"
        f" (worst). {platform.machine()}, Python {platform.python_version()}.", "",
        "| | seeded duplicates found | clean items in a false pair |", "|---|---|---|",
    ]  # fmt: skip
    for name, at in (("workbench", 0), ("rapidfuzz on whole names, best cut-off", 2)):
        lines.append(
            f"| {name} | {table[:, at].mean():.1%} ({table[:, at].min():.1%})"
            f" | {table[:, at + 1].mean():.2%} ({table[:, at + 1].max():.2%}) |"
        )
    lines += ["", "| items | seconds | pairs found |", "|---|---|---|"]
    for size in SIZES:
        began = time.process_time()
        found = ours(made_up(size, size))
        lines.append(f"| {size:,} | {time.process_time() - began:.1f} | {len(found):,} |")
    arguments.out.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
