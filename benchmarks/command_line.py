"""Measure how long `workbench --help` takes against bare Python.

python -m benchmarks.command_line        writes benchmarks/results/command_line.md
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "command_line.md"
REPEATS = 11


def seconds(command: list[str]) -> float:
    """Median of repeats, after one that warms the disk."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    bare = seconds([sys.executable, "-c", "pass"])
    help_text = seconds([sys.executable, "-m", "workbench", "--help"])
    text = (
        "# Start of the command line\n\nMedian of 11, `python -m benchmarks.command_line`.\n\n"
        "| command | seconds | to reach |\n|---|---|---|\n"
        f"| `python -c pass` | {bare:.2f} | – |\n| `workbench --help` | {help_text:.2f} | 0.5 |\n"
    )
    RESULT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
