"""Fixtures of the hub ring: a real JupyterHub needs the proxy, and says so where it is missing."""

import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def proxy() -> str:
    """The path of configurable-http-proxy; `make` installs it into the virtual environment."""
    path = shutil.which("configurable-http-proxy", path=f"{Path(sys.executable).parent}")
    found = path or shutil.which("configurable-http-proxy")
    if not found:
        pytest.fail("configurable-http-proxy is not installed: run `make install` (or `npm install --global`)")
    return found
