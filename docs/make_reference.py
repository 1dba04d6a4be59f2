"""Write docs/reference.md and docs/failures.md from the code: `python docs/make_reference.py`.

The one has the help texts of all options, the other the table of failures. A test compares the files with what this
makes, so nothing is without its place in the docs.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from jhaws.login.authenticator import JhawsAuthenticator
from jhaws.services.culler.settings import JhawsCuller
from jhaws.services.placeholder.settings import JhawsPlaceholder
from jhaws.spawner import JhawsSpawner
from jhaws.starts.failures import TABLE

CLASSES = (JhawsSpawner, JhawsAuthenticator, JhawsCuller, JhawsPlaceholder)
FILE = Path(__file__).with_name("reference.md")
FAILURES_FILE = Path(__file__).with_name("failures.md")

HEAD = """\
# Options

Made from the options' own help by `python docs/make_reference.py`. Set them under `hub.config` in z2jh's values,
`JhawsSpawner: {nfs_server: drive}`, or in a configuration file, `c.JhawsSpawner.nfs_server = "drive"`. All options of
[KubeSpawner](https://jupyterhub-kubespawner.readthedocs.io) and of JupyterHub's SharedPasswordAuthenticator go on
working beside them, also under their own class names.

Parts of jhaws are turned off in z2jh's `custom:`, for example `custom: {jhaws: {authenticator: false}}`; the parts are
`spawner`, `authenticator`, `culler` and `placeholder`, and `custom: {jhaws: false}` is all of them.
"""


FAILURES_HEAD = """\
# When a server cannot start

Made from the table in `jhaws.starts` by `python docs/make_reference.py`. Each entry has what happened, what the user
reads, and what mends it. The reason at its head is in the hub's log, together with Kubernetes' own words, and in the
metric `jhaws_start_failures_total`. None of them counts towards the hub's `consecutive_failure_limit`; what is not in
the table does.
"""


def make_failures() -> str:
    """Return the page of failures as Markdown."""
    return FAILURES_HEAD + "".join(make_failure(row) for row in TABLE)


def make_failure(row: Any) -> str:
    """Return one failure's part: what happened, what the user reads, what mends it."""
    message = row.message.replace("{running}", "")
    return f"\n**`{row.reason}`** {row.title}.\n\n> {message}\n\n{row.mended_by}\n"


def own_options(cls: Any) -> dict[str, Any]:
    """Return the options that `cls` itself defines, by name."""
    return dict(sorted(cls.class_own_traits(config=True).items()))


def make_reference() -> str:
    """Return the whole page as Markdown."""
    return HEAD + "".join(make_section(cls) for cls in CLASSES)


def make_section(cls: Any) -> str:
    """Return a class's part of the page."""
    options = "".join(make_option(cls, name, trait) for name, trait in own_options(cls).items())
    return f"\n## {cls.__name__}\n\n{inspect.getdoc(cls)}\n{options}"


def make_option(cls: Any, name: str, trait: Any) -> str:
    """Return one option's part: its name, type and help."""
    return f"\n### {cls.__name__}.{name}\n\n*{trait.info()}*\n\n{inspect.cleandoc(trait.help)}\n"


if __name__ == "__main__":
    FILE.write_text(make_reference())
    FAILURES_FILE.write_text(make_failures())
