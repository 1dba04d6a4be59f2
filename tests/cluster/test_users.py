"""What people do on a hub in a real cluster: each test is one thing that somebody wants, or must not get."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.hubclient import eventually

from .installation import Installation

POD_SECURITY = "pod-security.kubernetes.io/enforce"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_user_whom_the_admin_added_logs_in_and_others_do_not(hub: Installation) -> None:
    """The shared password opens the hub for whom the admin has added, and for nobody else."""
    stranger = await hub.login("mallory", hub.user_password)
    admin = await hub.admin()
    status, _ = await admin.api("POST", "users/grace")
    grace = await hub.login("grace", hub.user_password)
    impostor = await hub.login("admin", hub.user_password)

    assert not stranger.ok
    assert status == 201
    assert grace.ok
    assert not impostor.ok


async def test_the_first_admin_sets_a_password_by_a_code_from_the_hubs_pod(hub: Installation) -> None:
    """An admin whom no configured password lets in sets one by the link that the README's command prints there."""
    command = ("jhaws", "password", "code", "principal", "-f", hub.config_file)
    await hub.set_config(
        "c.JhawsAuthenticator.admin_users = {'admin', 'principal'}\nc.JhawsAuthenticator.admin_password = ''\n"
    )
    try:
        principal = await hub.login("principal", hub.user_password)
        printed = await hub.kubectl.run("exec", "deploy/hub", "--", *command)
        link = urlsplit(printed.split()[-1])
        given = {key: value for key, (value,) in parse_qs(link.fragment).items()}
        status, page = await principal.get(link.path)
        chosen = secrets.token_hex(10)
        form = {**given, "new": chosen, "again": chosen, "_xsrf": principal.xsrf}
        async with principal.http.post(f"{hub.url}{link.path.lstrip('/')}", data=form) as response:
            answer = response.status
        again = await hub.login("principal", chosen)
        panel, _ = await again.get("hub/admin")
    finally:
        await hub.set_config()
        await hub.api("DELETE", "users/principal")

    assert not principal.ok
    assert (status, 'name="code"' in page) == (200, True)
    assert answer == 200
    assert again.ok
    assert panel == 200


async def test_a_cell_runs_on_the_users_own_server(hub: Installation) -> None:
    """A kernel in a pod answers through nginx and the proxy by its websocket, as the unprivileged user of the image."""
    await hub.ensure_server("ada")
    printed = await hub.run_cell("ada", "import os; print(os.environ['JUPYTERHUB_USER'], os.getuid(), os.getcwd())")

    assert printed.split() == ["ada", "1000", "/home/jovyan"]


async def test_the_browser_gets_jupyterlab(hub: Installation) -> None:
    """Who has logged in gets JupyterLab's page from their server."""
    await hub.ensure_server("ada")
    ada = await hub.login("ada", hub.user_password)
    status, page = await ada.get("user/ada/lab")

    assert status == 200
    assert "JupyterLab" in page


async def test_the_course_is_in_the_home(hub: Installation) -> None:
    """The course repository is cloned from a git server in the cluster when the server starts."""
    await hub.ensure_server("ada")

    async def lesson() -> bool:
        return (await hub.contents("ada", "course/lesson.ipynb"))[0] == 200

    await eventually(lesson, within=60, what="the lesson in the home")


async def test_a_home_survives_stop_and_start(hub: Installation) -> None:
    """What a user has written is there in their next server, which is another pod."""
    first = await hub.ensure_server("ada")
    await hub.run_cell("ada", "open('note.txt', 'w').write('kept'); print('ok')")
    await hub.stop_server("ada")
    second = await hub.start_server("ada")
    status, note = await hub.contents("ada", "note.txt")

    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert (status, note["content"]) == (200, "kept")


async def test_another_user_cannot_read_the_home(hub: Installation) -> None:
    """Neither by the hub's proxy, nor at the server's own address, nor in their own file system is there a way."""
    pod = await hub.ensure_server("ada")
    await hub.run_cell("ada", "open('secret.txt', 'w').write('of ada'); print('ok')")
    await hub.ensure_server("eve")
    token = await hub.token("eve")
    by_proxy, _ = await hub.contents("ada", "secret.txt", token=token)
    inside = f"http://{pod['status']['podIP']}:8888/user/ada/api/contents/secret.txt"
    code = f"""
import urllib.error, urllib.request, os
request = urllib.request.Request({inside!r}, headers={{"Authorization": "token {token}"}})
try:
    print(urllib.request.urlopen(request, timeout=5).status)
except (urllib.error.URLError, OSError) as error:
    print(getattr(error, "code", "unreachable"), end=" ")
found = [name for _, _, files in os.walk("/home") for name in files if name == "secret.txt"]
print(found, os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"))
"""
    printed = await hub.run_cell("eve", code)

    assert by_proxy == 403
    # z2jh's NetworkPolicy closes the way where the cluster enforces it; the server itself refuses elsewhere.
    assert printed.split(maxsplit=1)[0] in ("403", "unreachable")
    assert printed.split(maxsplit=1)[1].strip() == "[] False"


async def test_an_nfs_home_is_a_pod_that_kubernetes_accepts(hub: Installation) -> None:
    """Kubernetes takes a pod with its home on NFS by a Service's name, and its user reads why it cannot be mounted."""
    drive = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "drive"}, "spec": {"ports": [{"port": 2049}]}}
    await hub.kubectl.apply(drive)
    # The demo's namespace takes no NFS volumes: its level of Pod Security is "restricted".
    await hub.kubectl.run("label", "namespace", hub.kubectl.namespace, f"{POD_SECURITY}=privileged", "--overwrite")
    address = (await hub.kubectl.get("service", "drive"))["spec"]["clusterIP"]
    await hub.add_user("nfs-home")
    session = await hub.login("nfs-home", hub.user_password)
    await hub.api("POST", "users/nfs-home/server")
    pod = await eventually(lambda: hub.pod("nfs-home"), what="the pod")
    volumes = [volume["nfs"] for volume in pod["spec"]["volumes"] if "nfs" in volume]

    assert volumes
    assert all(volume["server"] == address for volume in volumes)
    await eventually(lambda: hub.is_gone("nfs-home"), within=200, what="the end of the start")
    assert "Your home folder could not be opened" in (await session.get("hub/spawn-pending/nfs-home"))[1]


async def test_who_waits_for_a_volume_that_nobody_makes_reads_so(hub: Installation) -> None:
    """A PVC that is never bound ends the start before the hub's own patience does, with a sentence for its user."""
    await hub.add_user("claim-home")
    session = await hub.login("claim-home", hub.user_password)
    await hub.api("POST", "users/claim-home/server")
    await eventually(lambda: hub.is_gone("claim-home"), within=60, what="the end of the start")

    assert "The storage for your home folder is not ready" in (await session.get("hub/spawn-pending/claim-home"))[1]
