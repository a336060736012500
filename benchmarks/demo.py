"""Measure the demo: time and memory of every step, accuracy and calibration of its forecast.

    python -m benchmarks.demo        writes benchmarks/results/demo.md

The demo runs in a fresh workspace, by the command line. Memory is the sum of resident sets of the
command and its kernels, sampled five times a second, shared pages counted more than once.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil

RESULT = Path(__file__).parent / "results" / "demo.md"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "shop"
        environment = {**os.environ, "WORKBENCH_KEYS": str(Path(folder) / "keys")}
        workbench = [sys.executable, "-m", "workbench"]
        subprocess.run([*workbench, "init", str(root)], env=environment, check=True)
        seconds, peak, output = measure([*workbench, "demo"], root, environment)
        again, _, _ = measure([*workbench, "demo"], root, environment)
        text = report(root, seconds, peak, again, output)
    RESULT.write_text(text, encoding="utf-8")
    print(text)


def measure(
    command: list[str], folder: Path, environment: dict[str, str]
) -> tuple[float, float, str]:
    """Seconds, peak GiB and output of a command."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )
    peak = [0.0]
    sampler = threading.Thread(target=sample, args=(process.pid, peak), daemon=True)
    sampler.start()
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}")
    return time.monotonic() - began, peak[0], output


def sample(pid: int, peak: list[float]) -> None:
    """Keep the largest sum of resident sets of a process and its children, in GiB."""
    try:
        parent = psutil.Process(pid)
        while True:
            tree = [parent, *parent.children(recursive=True)]
            peak[0] = max(peak[0], sum(resident(p) for p in tree) / 2**30)
            time.sleep(0.2)
    except psutil.NoSuchProcess:
        return


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def report(root: Path, seconds: float, peak: float, again: float, output: str) -> str:
    """The results page."""
    home = root / "reports/10-forecast-demand"
    tables = home / (home / "latest").read_text().strip() / "tables"
    windows, days = (pd.read_parquet(tables / f"{n}_scores.parquet") for n in ("backtest", "daily"))
    calibration = pd.read_parquet(tables / "calibration.parquet")
    gap = (calibration["pit"] - calibration["level"]).abs().max() * 100
    under = (calibration["level"] - calibration["raw_coverage"]).max() * 100
    steps = [line for line in output.splitlines() if re.match(r"(\d\d-|ingest-|simulate)", line)]
    lines = [
        "# The demo, measured",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()};"
        " `python -m benchmarks.demo`.",
        "",
        "| what | measured | to reach |",
        "|---|---|---|",
        f"| whole demo after installation | {seconds:.0f} s | 360 s |",
        f"| peak memory, command and kernels | {peak:.2f} GiB | 4 GiB |",
        f"| second run, everything cached | {again:.1f} s | seconds |",
        f"| windows: less VW-MAPE than seasonal naive | {skill(windows, 'vw_mape')} | 15% |",
        f"| windows: less pinball loss | {skill(windows, 'vw_pinball')} | 15% |",
        f"| days: less value-weighted MAPE | {skill(days, 'vw_mape')} | 15% |",
        f"| days: less pinball loss | {skill(days, 'vw_pinball')} | 15% |",
        f"| randomised PIT, largest gap over all levels | {gap:.1f} points | 3 points |",
        f"| raw coverage, most below its level | {max(under, 0):.1f} points | 0 points |",
        "",
        "Steps as printed:",
        "",
        "```",
        *[line[:110] for line in steps],
        "```",
        "",
    ]
    return "\n".join(lines)


def skill(scores: pd.DataFrame, name: str) -> str:
    row = scores[scores["model"] == "lightgbm_counts"].iloc[0]
    return f"{row[f'{name}_skill']:.1%}"


if __name__ == "__main__":
    main()
