"""Where our pages are, and how a hub finds them: templates like JupyterHub's, and the scripts of the admins' pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


def add_templates(app: Any) -> None:
    """Put our templates behind the operator's own, which win, and before JupyterHub's.

    Args:
        app: The JupyterHub application, whose pages are not made yet.
    """
    if str(TEMPLATES) in app.template_paths:
        return
    theirs = os.path.join(app.data_files_path, "templates")
    paths = list(app.template_paths)
    place = paths.index(theirs) if theirs in paths else len(paths)
    app.template_paths = [*paths[:place], str(TEMPLATES), *paths[place:]]
