"""Makes the hub know a running pod again, as JupyterHub does at its start with the servers in its database.

That is possible only while the hub still knows the server's own token: a server whose token is lost cannot ask the hub
who its visitors are, and nobody can give it another one. JupyterHub forgets a server, but not its token, when
Kubernetes could not be asked just when the hub wanted to look at the pod or to stop it.

Everything that takes time comes first: the hub's own state changes in one go, so a user's click never meets half of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

from jupyterhub import orm
from jupyterhub.objects import Server
from jupyterhub.utils import url_escape_path, url_path_join

from ..pods.ends import SERVER_CONTAINER
from .probing import port_of, wait_for_answer
from .reconcile import Action

ANSWER_SECONDS = 10.0  # a server that runs answers at once
TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  # the name of a variable


class NotAdoptedError(Exception):
    """A pod cannot be made known to the hub; the text is why, to go on a sentence with, and has no secret."""


async def adopt(app: Any, action: Action) -> None:
    """Make the hub know the pod of `action` as its user's server.

    Args:
        app: The JupyterHub.
        action: Whose pod it is, and which.

    Raises:
        NotAdoptedError: It cannot be, and why.
    """
    orm_user = orm.User.find(app.db, action.user)
    if orm_user is None:
        raise NotAdoptedError("the hub has no user of that name")
    user = app.users[orm_user]
    if action.server not in user.orm_user.orm_spawners:
        raise NotAdoptedError("the user has no server of that name")
    spawner = _fresh_spawner(user, action)
    try:
        await _adopt(app, spawner, action)
    finally:
        if not spawner.active and user.spawners.get(action.server) is spawner:
            user.spawners.pop(action.server)  # the next start begins without what was meant for this pod


async def _adopt(app: Any, spawner: Any, action: Action) -> None:
    user = spawner.user
    pod = await _fetch_running(spawner, action)
    token = _token_of(pod)
    known = orm.APIToken.find(app.db, token) if token else None
    if known is None or known.user is not user.orm_user:
        raise NotAdoptedError("its token is not in the hub's database, so it can let nobody in")
    url = urlparse(spawner._get_pod_url(pod))
    target = f"{url.scheme}://{url.netloc}"
    base_url = url_path_join(user.base_url, url_escape_path(spawner.name), "/")
    await _check_answer(spawner, url_path_join(target, base_url, "api"))
    scopes = await spawner._get_oauth_client_allowed_scopes()
    await app.proxy.add_route(spawner.proxy_spec, target, {"user": user.name, "server_name": spawner.name})
    # From here on nothing waits.
    if spawner.active or user.spawners.get(spawner.name) is not spawner:
        raise NotAdoptedError("its user has started a server in the meantime")
    server = orm.Server(proto=url.scheme, ip=url.hostname, port=port_of(url), base_url=base_url)
    _put_into_database(app, spawner, server, token=token, scopes=scopes)
    spawner.add_poll_callback(_on_end, app, user, spawner.name)
    spawner.start_polling()


def _fresh_spawner(user: Any, action: Action) -> Any:
    """Return a spawner for a pod, as a hub that has just started has it: without memory of another start."""
    if action.server in user.spawners:
        if user.spawners[action.server].active:
            raise NotAdoptedError("its user has another server of that name")
        user.spawners.pop(action.server)
    spawner = user.spawners[action.server]
    spawner.namespace, spawner.pod_name = action.key.split("/")
    spawner.dns_name = spawner.dns_name_template.format(namespace=spawner.namespace, name=spawner.pod_name)
    return spawner


async def _fetch_running(spawner: Any, action: Action) -> Mapping[str, Any]:
    """Read the whole pod, the hub keeps only a part of it; its watch is there from then on."""
    await spawner._start_watching_pods()
    pod: Mapping[str, Any] | None = await spawner._fetch_pod()
    if not pod or pod["metadata"]["uid"] != action.uid:
        raise NotAdoptedError(
            "Kubernetes does not show it any more" if pod is not None else "Kubernetes cannot be asked"
        )
    if not spawner.is_pod_running(pod):
        raise NotAdoptedError("it does not run")
    return pod


def _token_of(pod: Mapping[str, Any]) -> str:
    for container in pod["spec"]["containers"]:
        if container["name"] == SERVER_CONTAINER:
            for variable in container.get("env") or []:
                if variable["name"] == TOKEN:
                    return str(variable.get("value") or "")
    return ""


async def _check_answer(spawner: Any, url: str) -> None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await wait_for_answer(url, ssl_context=spawner._probe_ssl())
    except TimeoutError:
        raise NotAdoptedError("it does not answer") from None


def _put_into_database(app: Any, spawner: Any, server: Any, *, token: str, scopes: list[str]) -> None:
    """Write what JupyterHub itself writes when it starts a server, and commit."""
    user, path = spawner.user, url_escape_path(spawner.name)
    # JupyterHub drops the OAuth clients of unknown servers when it starts; the token is the client's secret.
    client = app.oauth_provider.add_client(
        spawner.oauth_client_id,
        token,
        url_path_join(user.url, path, "oauth_callback"),
        allowed_scopes=scopes,
        description=f"Server at {server.base_url}",
    )
    app.db.add(server)
    app.db.flush()  # fills in what JupyterHub gives by default
    spawner.server = Server(orm_server=server)
    spawner.orm_spawner.oauth_client = client
    spawner.orm_spawner.state = spawner.get_state()
    spawner.orm_spawner.started = datetime.now(UTC).replace(tzinfo=None)  # JupyterHub's columns have no zone
    app.db.commit()


async def _on_end(app: Any, user: Any, server: str) -> None:
    """Do what JupyterHub does when a server that it found at its start has ended."""
    app.log.warning("User %s server stopped with exit code: %s", user.name, await user.spawners[server].poll())
    await app.proxy.delete_user(user, server)
    await user.stop(server)
