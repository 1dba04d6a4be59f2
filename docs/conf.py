"""How Sphinx builds the pages: `make docs`."""

from jhaws import __version__

project = "jhaws"
author = "the jhaws developers"
copyright = "2026, the jhaws developers"
release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"jhaws {__version__}"
nitpicky = True
