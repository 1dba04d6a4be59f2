"""Our pages in the hub, as the browser gets them."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
from jupyterhub.app import JupyterHub
from tornado import web
from traitlets.config import Config

from jhaws.pages import TEMPLATES, add_templates

USER = SimpleNamespace(name="ada", spawner=SimpleNamespace(options_form=""))


def paths_of(app: JupyterHub) -> list[str]:
    """Return the folders of templates as JupyterHub uses them: it adds its own at the end where it is not there."""
    theirs = app._template_paths_default()[0]
    return app.template_paths if theirs in app.template_paths else [*app.template_paths, theirs]


def render(name: str, *, more: Sequence[Path] = (), **values: Any) -> str:
    """Render one of our pages with JupyterHub's own, as its `init_tornado_settings` loads them."""
    theirs = JupyterHub()._template_paths_default()
    loader = ChoiceLoader(
        [PrefixLoader({"templates": FileSystemLoader(theirs)}, "/"), FileSystemLoader([*more, TEMPLATES, *theirs])]
    )
    known = {"static_url": lambda path, **_: path, "user": USER, "spawn_url": "/hub/spawn/ada"}
    return Environment(loader=loader, autoescape=True).get_template(name).render({**known, **values})


def test_our_pages_stand_behind_the_operators_and_before_jupyterhubs() -> None:
    """An operator's own template of the same name wins; where there is none, ours does."""
    plain, own = JupyterHub(), JupyterHub(config=Config({"JupyterHub": {"template_paths": ["/own"]}}))
    theirs = plain._template_paths_default()[0]
    both = JupyterHub(config=Config({"JupyterHub": {"template_paths": ["/own", theirs, "/last"]}}))
    for app in (plain, own, both):
        add_templates(app)

    assert paths_of(plain) == [str(TEMPLATES), theirs]
    assert paths_of(own) == ["/own", str(TEMPLATES), theirs]
    assert paths_of(both) == ["/own", str(TEMPLATES), theirs, "/last"]


def ended(message: str) -> dict[str, Any]:
    error: Any = web.HTTPError(424)
    error.ended = True
    return {"failed": True, "failed_message": message, "exception": error}


def test_a_server_that_ended_is_not_called_a_start_that_failed() -> None:
    """The page says that it stopped, and why; the sentence is text, and a named server is named."""
    page = render("not_running.html", server_name="gpu", **ended("Out of <memory>."))

    assert "Your server gpu has stopped" in page
    assert "<p>Out of &lt;memory&gt;.</p>" in page
    assert "failed" not in page.split("<body")[1].lower()
    assert 'href="/hub/spawn/ada"' in page


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"failed": True, "failed_message": "No room.", "exception": ValueError()}, ["Spawn failed", "No room."]),
        ({"failed": True, "failed_message": None, "exception": web.HTTPError(500)}, ["Spawn failed", "retry"]),
        ({}, ["Server not running", "Would you like to start it?"]),
    ],
    ids=["known", "unknown", "off"],
)
def test_all_else_is_jupyterhubs_own_page(values: dict[str, Any], expected: list[str]) -> None:
    """A start that failed, and a server that nobody started, have the page they always had."""
    page = render("not_running.html", server_name="", **values)

    assert [words for words in expected if words not in page] == []
    assert "has stopped" not in page


def test_the_waiting_page_is_jupyterhubs_with_a_style_of_ours() -> None:
    """The bar, its words and its script are JupyterHub's; the list of events does not repeat the time."""
    page = render("spawn_pending.html", progress_url="/progress")

    assert 'id="progress-bar"' in page
    assert 'new EventSource("/progress")' in page
    assert "#progress-log .jhaws-time { display: none; }" in page


@pytest.mark.parametrize(
    ("scopes", "admin", "personal", "links"),
    [
        (["admin:users"], True, "off", ["people", "password"]),
        ([], False, "optional", ["password"]),
        ([], False, "off", []),
        (["admin:users"], True, "", []),
    ],
)
def test_the_navigation_has_what_somebody_may_open(
    tmp_path: Path, scopes: list[str], admin: bool, personal: str, links: list[str]
) -> None:
    """With jhaws's login there are links, also in an operator's own page that extends ours; with another one none."""
    user = SimpleNamespace(name="ada", admin=admin, spawner=SimpleNamespace(options_form=""))
    (tmp_path / "own.html").write_text('{% extends "jhaws_page.html" %}{% block title %}Ours{% endblock %}')
    for name in ("page.html", "own.html"):
        values = {"user": user, "parsed_scopes": scopes, "jhaws_personal_password": personal, "base_url": "/hub/"}
        page = render(name, more=[tmp_path], **values)
        assert re.findall(r'href="/hub/jhaws/(\w+)"', page) == links
