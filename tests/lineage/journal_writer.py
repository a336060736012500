"""Writes one event into the journal of a folder: a process of its own, to inject failures into."""

import sys
from pathlib import Path

from workbench.lineage.journal import Journal

Journal(Path(sys.argv[1])).append({"n": "written by another process"})
print("kept")
