"""The demo manifests on a real API server, applied as a person does it; whatever KUBECONFIG says.

There are no nodes, so the hub runs here as a process: with the configuration and environment of its pod, the rights of
its ServiceAccount, and nginx and configurable-http-proxy in front of it. What it asks of Kubernetes is real.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.demo import FOLDER, NGINX, containers_of, find, replace, running_front
from tests.hub.hubs import RunningHub, free_ports
from tests.hubclient import eventually
from tests.kube.controlplane import PROGRAMS
from tests.kube.programs import BIN, find_missing
from tests.kube.schemas import LOCATION, write_schemas

MISSING = find_missing([*PROGRAMS, "kubectl", "kubeconform"])
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

NAMESPACE = "jhaws-demo"
SECRET = "secret-written-by-make-secrets.sh.env"

# What is another on this machine than in the hub's pod.
HERE = """
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "{api_url}"
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.services = [{{"name": "test-admin", "api_token": "{token}"}}]
c.JupyterHub.load_roles.append(
    {{"name": "test-admin", "services": ["test-admin"], "scopes": ["admin:users", "admin:servers", "read:hub"]}}
)
"""


@dataclass
class Demo:
    """A copy of the manifests, and kubectl."""

    folder: Path
    kubeconfig: str
    secret: dict[str, str] = field(default_factory=dict)

    def attempt(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end."""
        return subprocess.run(
            [BIN / "kubectl", *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=100,
            env={"KUBECONFIG": self.kubeconfig, "HOME": str(self.folder)},
        )

    def __call__(self, *words: str, given: str = "") -> str:
        """Run kubectl, which must succeed, and give its output."""
        done = self.attempt(*words, given=given)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def get(self, *words: str) -> list[dict[str, Any]]:
        """Get the objects of a kind in the demo's namespace."""
        return list(json.loads(self("get", *words, "-n", NAMESPACE, "-o", "json"))["items"])

    def names(self, *words: str) -> list[str]:
        """Get the names of objects."""
        return [each["metadata"]["name"] for each in self.get(*words)]

    def make_secrets(self) -> str:
        """Run make-secrets.sh, and give what it says."""
        done = subprocess.run([self.folder / "make-secrets.sh"], capture_output=True, text=True, check=True)
        self.secret = dict(line.split("=") for line in (self.folder / SECRET).read_text().splitlines())
        return done.stdout


@pytest.fixture(scope="module")
def shared(kubernetes: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A copy of the manifests with a Secret; what was applied is deleted after the last test."""
    folder = tmp_path_factory.mktemp("manifests") / "demo"
    # Without what a person made in there.
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.env"))
    demo = Demo(folder, kubernetes)
    demo.make_secrets()
    yield demo
    demo("delete", "-k", str(folder), "--ignore-not-found")


@pytest.fixture
def demo(shared: Demo) -> Demo:
    """The manifests, applied."""
    shared("apply", "-k", str(shared.folder))
    return shared


def test_without_the_secret_nothing_is_applied(shared: Demo, tmp_path: Path) -> None:
    """What kubectl says then names the program to run."""
    folder = tmp_path / "demo"
    shutil.copytree(shared.folder, folder, ignore=shutil.ignore_patterns("*.env"))
    refused = shared.attempt("apply", "-k", str(folder))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "secret-written-by-make-secrets.sh.env: no such file" in refused.stderr


def test_each_field_is_in_the_schema_of_its_kind(shared: Demo, tmp_path: Path) -> None:
    """By the schemas of this Kubernetes there is no unknown kind, field or type, and kubeconform would find one."""
    write_schemas(json.loads(shared("get", "--raw", "/openapi/v2")), tmp_path)
    rendered = shared("kustomize", str(shared.folder))

    def check(text: str) -> subprocess.CompletedProcess[str]:
        command = [BIN / "kubeconform", "-strict", "-summary", "-schema-location", f"{tmp_path}/{LOCATION}"]
        return subprocess.run(command, input=text, capture_output=True, text=True, env={})

    count = len(list(yaml.safe_load_all(rendered)))
    assert f"{count} resources found parsing stdin - Valid: {count}" in check(rendered).stdout
    for right, wrong, sentence in (
        ("replicas: 1", "replicsa: 1", "additional properties 'replicsa' not allowed"),
        ("replicas: 1", 'replicas: "1"', "got string, want integer"),
        ("apiVersion: apps/v1", "apiVersion: apps/v1beta1", "could not find schema for Deployment"),
    ):
        assert sentence in check(replace(rendered, {right: wrong})).stdout


def test_the_api_server_takes_them_without_a_warning(demo: Demo) -> None:
    """Strict validation and the Pod Security level of the namespace have nothing to say."""
    # Sends everything, changed or not, and so hears what the API server has to say to it.
    replaced = demo.attempt("replace", "-k", str(demo.folder), "--dry-run=server", "--validate=strict")
    assert (replaced.returncode, replaced.stderr) == (0, "")


async def test_its_pods_are_made(demo: Demo) -> None:
    """Both Deployments get their pod past admission, and the Service for people has its node port."""

    def has_pods() -> list[str]:
        return sorted({each["metadata"]["labels"]["component"] for each in demo.get("pods")})

    await eventually(lambda: has_pods() == ["hub", "proxy"], what="pods of the Deployments")
    public = find(demo.get("services"), "Service", "proxy-public")
    assert (public["spec"]["type"], public["spec"]["ports"][0]["nodePort"]) == ("NodePort", 30052)


def read_rights(demo: Demo, account: str, namespace: str) -> set[tuple[str, str]]:
    """Ask the API server for all that a ServiceAccount of the demo may do in a namespace: verb and kind."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    identity = f"system:serviceaccount:{NAMESPACE}:{account}"
    answer = json.loads(
        demo("create", "--validate=false", "-f", "-", "-o", "json", "--as", identity, given=json.dumps(review))
    )
    assert not answer["status"]["incomplete"]
    rules = answer["status"]["resourceRules"]
    return {(verb, kind) for rule in rules for verb in rule["verbs"] for kind in rule["resources"]}


def test_the_hub_may_do_what_it_needs_and_no_more(demo: Demo) -> None:
    """The hub's rights are these, in its namespace; elsewhere it has those of anybody."""
    anybody = read_rights(demo, "default", NAMESPACE)

    assert read_rights(demo, "hub", NAMESPACE) - anybody == {
        *((verb, "pods") for verb in ("get", "list", "watch", "create", "delete")),
        *((verb, "persistentvolumeclaims") for verb in ("get", "create", "delete")),
        *((verb, "events") for verb in ("list", "watch")),
    }
    assert read_rights(demo, "hub", "default") == anybody


@pytest.mark.parametrize("what", ["list nodes", "list secrets", "get pods --subresource=log", "list pods -n default"])
def test_the_hub_may_not(demo: Demo, what: str) -> None:
    """What a hub could do harm with is refused to it."""
    identity = f"system:serviceaccount:{NAMESPACE}:hub"
    answer = demo.attempt(
        "auth", "can-i", *what.split(), "--as", identity, *([] if "-n" in what else ["-n", NAMESPACE])
    )

    assert answer.stdout == "no\n", answer.stderr


def write_account(demo: Demo, path: Path) -> Path:
    """Write a kubeconfig with the token that the hub's pod would have."""
    config = yaml.safe_load(Path(demo.kubeconfig).read_text())
    token = demo("create", "token", "hub", "-n", NAMESPACE).strip()
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    return path


def make_environment(demo: Demo) -> dict[str, str]:
    """Give the environment of the hub's container as it was applied."""
    entries = containers_of(find(demo.get("deployments"), "Deployment", "hub"))["hub"]["env"]
    return {each["name"]: each.get("value", NAMESPACE) for each in entries}


@asynccontextmanager
async def running_demo(demo: Demo, state: Path) -> AsyncIterator[RunningHub]:
    """Run the hub of the demo and what is before it."""
    (state / "secret").mkdir(parents=True)
    for name, value in demo.secret.items():
        (state / "secret" / name).write_text(value)
        (state / "secret" / name).chmod(0o440)
    environment = make_environment(demo) | {"KUBECONFIG": str(write_account(demo, state / "kubeconfig"))}
    (hub_port,) = free_ports(1)
    async with running_front(hub_port=hub_port, token=demo.secret["proxy-token"]) as front:
        hub = RunningHub(state, front.port, hub_port, front.api_port, environment=environment)
        text = find(demo.get("configmaps"), "ConfigMap", "hub-config")["data"]["jupyterhub_config.py"]
        here = HERE.format(hub_port=hub_port, api_url=front.api_url, token=hub.admin_token)
        (state / "jupyterhub_config.py").write_text(replace(text, {"/etc/jupyterhub": state}) + here)
        try:
            await hub.start()
            yield hub
        finally:
            await hub.stop()


@pytest.mark.skipif(NGINX is None, reason="There is no nginx: install Debian's nginx-light.")
async def test_a_person_logs_in_and_gets_a_server(demo: Demo, tmp_path: Path) -> None:
    """The hub starts with this configuration, these passwords and rights; its pods and claims pass admission."""
    async with running_demo(demo, tmp_path / "state") as hub:
        assert not (await hub.login("admin", demo.secret["user-password"])).ok
        admin = await hub.login("admin", demo.secret["admin-password"])
        assert admin.ok
        assert (await admin.api("POST", "users/ada"))[0] == 201
        ada = await hub.login("ada", demo.secret["user-password"])
        assert ada.ok
        assert (await ada.api("POST", "users/ada/server"))[0] == 202

        await eventually(lambda: "jupyter-ada" in demo.names("pods"), what="ada's pod")
        assert "claim-ada" in demo.names("persistentvolumeclaims")
        await eventually(lambda: demo.get("pods", "-l", "component=jhaws-placeholder"), what="a placeholder")
        check_pods(demo)

        await eventually(lambda: delete_user(hub, "ada"), what="the end of ada")
        await eventually(lambda: "jupyter-ada" not in demo.names("pods"), what="the end of ada's pod")
        await eventually(lambda: "claim-ada" not in demo.names("persistentvolumeclaims"), what="the end of ada's home")
    assert "forbidden" not in hub.log().lower(), hub.log()


def check_pods(demo: Demo) -> None:
    """Look at what the hub has asked Kubernetes for."""
    (server,) = demo.get("pods", "-l", "component=singleuser-server")
    (placeholder,) = demo.get("pods", "-l", "component=jhaws-placeholder")
    images = yaml.safe_load((demo.folder / "kustomization.yaml").read_text())["images"]
    named = {each["name"]: f"{each['newName']}:{each['newTag']}" for each in images}
    assert server["spec"]["containers"][0]["image"] == named["user"]
    assert placeholder["spec"]["containers"][0]["image"] == named["pause"]
    assert (server["spec"]["priority"], placeholder["spec"]["priority"]) == (0, -10)
    # A seat has the size of a server.
    requests = [each["spec"]["containers"][0]["resources"]["requests"] for each in (server, placeholder)]
    assert requests[0]["cpu"] == requests[1]["cpu"] == "100m"
    assert requests[0]["memory"] == requests[1]["memory"]


async def delete_user(hub: RunningHub, name: str) -> bool:
    """Stop a user's server, and delete the user as soon as the hub lets one."""
    await hub.api("DELETE", f"users/{name}/server")
    status, _ = await hub.api("DELETE", f"users/{name}")
    return status == 204


def test_deleting_them_leaves_nothing_behind(demo: Demo) -> None:
    """One command deletes users' pods and homes too, and what is not in the namespace."""
    made = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "jupyter-ada"}, "spec": make_spec()},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "claim-ada"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    ]
    demo("create", "-n", NAMESPACE, "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
    demo("delete", "-k", str(demo.folder))

    kinds = demo("api-resources", "-o", "name", "--verbs=list").split()
    left = json.loads(demo("get", ",".join(kinds), "--all-namespaces", "-o", "json"))["items"]
    assert not [each for each in left if NAMESPACE in json.dumps(each["metadata"])]


def make_spec() -> dict[str, Any]:
    """Make a pod that the namespace's Pod Security level takes."""
    context = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    return {"containers": [{"name": "a", "image": "example.org/a:1", "securityContext": context}]}
