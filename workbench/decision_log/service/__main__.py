"""`python -m workbench.decision_log.service SECONDS`: the service as it is started on demand."""

import sys

from workbench.decision_log.service.serve import serve
from workbench.errors import WorkbenchError
from workbench.workspace import find_workspace


def main() -> None:
    """Serve the workspace that the environment names; ends when idle for so many seconds."""
    try:
        serve(find_workspace(), idle=float(sys.argv[1]))
    except WorkbenchError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
