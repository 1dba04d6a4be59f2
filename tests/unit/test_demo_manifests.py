"""The demo manifests as they are in the repository; tests/api has them on a real API server."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from traitlets.config import Config

from jhaws import __version__
from jhaws.hub import AUTHENTICATOR, SPAWNER
from jhaws.login.authenticator import JhawsAuthenticator
from jhaws.options import check_options
from jhaws.services.culler.settings import JhawsCuller
from jhaws.services.placeholder.settings import JhawsPlaceholder
from jhaws.spawner import JhawsSpawner

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster" / "demo"
SECRET = "secret-written-by-make-secrets.sh.env"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

# How a file's name begins; after it comes the object's name, where a folder has several of a kind.
SHORT = {
    "cm": "ConfigMap",
    "deploy": "Deployment",
    "pc": "PriorityClass",
    "pvc": "PersistentVolumeClaim",
    "svc": "Service",
}


def read(name: str) -> list[dict[str, Any]]:
    """Read the objects of a file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


OBJECTS = [each for name in KUSTOMIZATION["resources"] for each in read(name)]
PODS = {each["metadata"]["name"]: each["spec"]["template"] for each in OBJECTS if each["kind"] == "Deployment"}
CONTAINERS = [
    pytest.param(template["spec"], container, id=container["name"])
    for template in PODS.values()
    for container in template["spec"]["containers"]
]


def test_every_file_is_applied_and_named_after_its_object() -> None:
    """No manifest is forgotten in kustomization.yaml, and a file's name says what is in it."""
    others = {"kustomization.yaml", KUSTOMIZATION["configurations"][0]}
    assert {path.name for path in FOLDER.glob("*.yaml")} - others == set(KUSTOMIZATION["resources"])

    for name in set(KUSTOMIZATION["resources"]) - {"namespace.yaml", "rbac.yaml"}:
        short, _, rest = name.removesuffix(".yaml").partition("-")
        (found,) = read(name)
        assert found["kind"] == SHORT[short]
        assert found["metadata"]["name"].endswith(rest)


def test_no_secret_is_in_the_repository() -> None:
    """There is no Secret among the manifests, and git ignores the file from which it is made."""
    assert "Secret" not in {each["kind"] for each in OBJECTS}
    assert KUSTOMIZATION["secretGenerator"] == [{"name": "hub", "envs": [SECRET]}]

    assert (FOLDER / ".gitignore").read_text() == f"/{SECRET}*\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of make-secrets.sh in a folder of its own, whose path has a space."""
    folder = tmp_path / "my demo"
    folder.mkdir()
    shutil.copy(FOLDER / "make-secrets.sh", folder)
    return folder


def make_secrets(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make-secrets.sh from somewhere else."""
    command = ["/bin/sh", folder / "make-secrets.sh"]
    return subprocess.run(command, cwd="/", env={**os.environ, **environment}, capture_output=True, text=True)


def test_make_secrets_makes_what_the_manifests_use(folder: Path) -> None:
    """Keys are those that the pods read, values are what jhaws and JupyterHub take, and nobody else can read them."""
    done = make_secrets(folder)
    secret = dict(line.split("=") for line in (folder / SECRET).read_text().splitlines())

    assert stat.S_IMODE((folder / SECRET).stat().st_mode) == 0o600
    assert len(secret["admin-password"]) >= 32
    assert len(secret["user-password"]) >= 8
    assert re.fullmatch(r"[0-9a-f]{64}", secret["cookie-secret"])
    text = "".join((FOLDER / name).read_text() for name in ("cm-hub-config.yaml", "deploy-proxy.yaml"))
    assert set(secret) == set(re.findall(r'secret / "([\w-]+)"', text)) | {
        each["valueFrom"]["secretKeyRef"]["key"] for each in PODS["proxy"]["spec"]["containers"][1]["env"]
    }
    assert len(set(secret.values())) == 4
    # Shown are the two passwords that people type, and no more.
    assert [secret[name] in done.stdout for name in sorted(secret)] == [True, False, False, True]


def test_make_secrets_again_shows_the_same(folder: Path) -> None:
    """Passwords do not change under a hub that has them."""
    first = make_secrets(folder)
    before = (folder / SECRET).read_text()
    assert make_secrets(folder).stdout == first.stdout

    assert (folder / SECRET).read_text() == before


def test_make_secrets_makes_all_or_nothing(folder: Path, tmp_path: Path) -> None:
    """Without random bytes there is a sentence and no file, rather than empty passwords."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "head", "mv", "sed", "tr"):
        (tools / name).symlink_to(shutil.which(name))
    done = make_secrets(folder, PATH=str(tools))

    assert done.returncode == 1
    assert "make-secrets.sh: cannot read 20 random bytes" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["make-secrets.sh"]


@pytest.mark.parametrize(("spec", "container"), CONTAINERS)
def test_each_container_has_no_more_rights_than_it_needs(spec: dict[str, Any], container: dict[str, Any]) -> None:
    """Not root, no capabilities, nothing to write to but volumes, a limit on its memory, a probe for each question."""
    context = container["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["runAsUser"] > 0
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert set(container["resources"]["limits"]) == {"memory"}
    assert {"readinessProbe", "livenessProbe"} <= set(container)


def test_only_the_hub_gets_a_token_for_kubernetes() -> None:
    """The token of a ServiceAccount is in the hub's pod and in no other."""
    tokens = {name: template["spec"]["automountServiceAccountToken"] for name, template in PODS.items()}

    assert tokens == {"hub": True, "proxy": False}
    (account,) = (each for each in OBJECTS if each["kind"] == "ServiceAccount")
    assert account["automountServiceAccountToken"] is False


def test_each_service_leads_to_a_port_of_one_deployment() -> None:
    """What a Service selects is one of the two pods, and that one has the named port."""
    seen = {}
    for service in (each for each in OBJECTS if each["kind"] == "Service"):
        (port,) = service["spec"]["ports"]
        (found,) = (
            name for name, template in PODS.items() if template["metadata"]["labels"] == service["spec"]["selector"]
        )
        names = [each["name"] for container in PODS[found]["spec"]["containers"] for each in container["ports"]]
        assert names.count(port["targetPort"]) == 1
        seen[service["metadata"]["name"]] = found, port["targetPort"]

    assert seen == {
        "hub": ("hub", "http"),
        "proxy-api": ("proxy", "api"),
        "proxy-http": ("proxy", "proxy"),
        "proxy-public": ("proxy", "http"),
    }


def test_all_images_are_named_in_one_place() -> None:
    """Manifests have short names, and kustomization.yaml says which images they are, with tags that do not move."""
    used = {container["image"] for template in PODS.values() for container in template["spec"]["containers"]}
    (hub,) = PODS["hub"]["spec"]["containers"]
    used |= {each["value"] for each in hub["env"] if each["name"].endswith("_IMAGE")}
    images = {each["name"]: each for each in KUSTOMIZATION["images"]}

    assert set(images) == used
    assert all(re.fullmatch(r"\d[\d.]+", each["newTag"]) for each in images.values())
    assert images["hub"]["newTag"] == __version__


def test_the_hub_takes_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ConfigMap is a configuration for JupyterHub with our classes, and each jhaws option in it is right."""
    make_secrets(folder)
    for line in (folder / SECRET).read_text().splitlines():
        name, _, value = line.partition("=")
        (folder / name).write_text(value)
    (found,) = read("cm-hub-config.yaml")
    text = found["data"]["jupyterhub_config.py"]
    assert "/etc/jupyterhub/secret" in text
    (hub,) = PODS["hub"]["spec"]["containers"]
    for each in hub["env"]:
        monkeypatch.setenv(each["name"], each.get("value", "jhaws-demo"))
    c = Config()
    exec(text.replace("/etc/jupyterhub/secret", str(folder)), {"get_config": lambda: c})

    assert (c.JupyterHub.spawner_class, c.JupyterHub.authenticator_class) == (SPAWNER, AUTHENTICATOR)
    assert check_options(c, (JhawsSpawner, JhawsAuthenticator, JhawsCuller, JhawsPlaceholder), ()) == []
    (priority,) = read("pc-placeholder.yaml")
    assert c.JhawsPlaceholder.priority_class == priority["metadata"]["name"]
    assert priority["value"] < 0


def test_the_page_has_the_names_of_the_manifests() -> None:
    """What a reader of the page types is what is applied: image, namespace, file and port."""
    page = (ROOT / "docs" / "demo-manifests.md").read_text()
    hub = next(each for each in KUSTOMIZATION["images"] if each["name"] == "hub")
    port = next(each for each in OBJECTS if each["metadata"]["name"] == "proxy-public")["spec"]["ports"][0]

    assert set(re.findall(r"jhaws-hub:[\w.]+", page)) == {f"{hub['newName']}:{hub['newTag']}"}
    assert set(re.findall(r"(?:-n|namespace) `?(jhaws[\w-]+)", page)) == {KUSTOMIZATION["namespace"]}
    assert set(re.findall(r"secret-[\w.-]+\.env", page)) == {SECRET}
    assert set(re.findall(r"\b3\d{4}\b", page)) == {str(port["nodePort"])}


def test_nginx_waits_for_silent_websockets_for_an_hour() -> None:
    """A kernel that computes without a word is not cut off; nginx's own limit is a minute."""
    (found,) = read("cm-nginx.yaml")

    assert re.findall(r"proxy_(read|send)_timeout (\w+);", found["data"]["nginx.conf"]) == [
        ("read", "1h"),
        ("send", "1h"),
    ]
