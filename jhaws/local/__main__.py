"""`python -m jhaws.local [FOLDER]`: a local cluster until Ctrl-C; prints the line that sets KUBECONFIG."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from jhaws.errors import JhawsError
from jhaws.local.cluster import LocalSettings, run_local


def main() -> int:
    """Run the command.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m jhaws.local", description="Run a Kubernetes of processes.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(".jhaws-local"), help="where its state is kept")
    parser.add_argument("--port", type=int, default=0, help="of the API on 127.0.0.1 (default: any free one)")
    options = parser.parse_args()
    try:
        asyncio.run(run_local(LocalSettings(state_dir=options.folder, port=options.port)))
    except JhawsError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
