"""A hub installed by helm with z2jh's own chart, from the folder or archive that Z2JH_CHART names."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .installation import EXTRA_CONFIG, Installation, ensure_course, find_url
from .kubectl import Kubectl, Obj
from .place import Place, find_chart, find_program

NAMESPACE = RELEASE = "jhaws-test-chart"
# As the README and docs/passwords.md name it.
CONFIG_FILE = "/usr/local/etc/jupyterhub/jupyterhub_config.py"
SCHEDULER_RIGHTS = f"{NAMESPACE}-scheduler"


@dataclass(kw_only=True)
class Chart(Installation):
    """A release of the chart.

    Attributes:
        chart: Folder or archive.
        values: The file that is given to helm.
        images: Names of the images to use.
    """

    chart: str
    values: Path
    images: Mapping[str, str]

    async def set_config(self, lines: str = "") -> None:
        """Let the hub start again with the tests' configuration and `lines` after it."""
        await self.upgrade(lines)
        await self.wait_until_up()

    async def upgrade(self, lines: str = "", *, pull_first: bool = True) -> None:
        """Install the release, or bring it to these values; `pull_first` has the images pulled before anything else."""
        passwords = (self.admin_password, self.user_password)
        values = make_values(self.images, EXTRA_CONFIG + lines, passwords)
        values["prePuller"]["hook"]["enabled"] = pull_first
        self.values.write_text(json.dumps(values))
        options = ("--create-namespace", f"--values={self.values}", "--timeout=5m")
        await run_helm(self.kubectl, "upgrade", "--install", RELEASE, self.chart, *options)


async def run_helm(kubectl: Kubectl, *arguments: str) -> None:
    """Run helm in kubectl's cluster and namespace."""
    process = await asyncio.create_subprocess_exec(
        find_program("helm") or "helm",
        *arguments,
        f"--namespace={kubectl.namespace}",
        f"--kubeconfig={kubectl.kubeconfig}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


def make_scheduler_rights() -> Obj:
    """Build what the user-scheduler of this ring needs beside its chart's role: it is newer than the chart's own."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": SCHEDULER_RIGHTS},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kube-scheduler"},
        "subjects": [{"kind": "ServiceAccount", "name": "user-scheduler", "namespace": NAMESPACE}],
    }


async def remove(kubectl: Kubectl) -> None:
    """Delete what an installation, also one of an earlier run, has left."""
    await run_helm(kubectl, "uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout=3m")
    await kubectl.run("delete", "clusterrolebinding", SCHEDULER_RIGHTS, "--ignore-not-found")
    await kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")


async def install(place: Place, folder: Path) -> Chart:
    """Install the chart and wait until its hub answers; `folder` is new, for the values."""
    kubectl = place.kubectl(NAMESPACE)
    release = Chart(
        kubectl=kubectl,
        chart=find_chart(),
        values=folder / "values.json",
        images=place.images,
        config_file=CONFIG_FILE,
        admin_password=secrets.token_hex(20),
        user_password=secrets.token_hex(8),
    )
    # The pods that pull first want the chart's PriorityClass, which a first install makes only after them.
    await release.upgrade(pull_first=False)
    await kubectl.apply(make_scheduler_rights())
    await ensure_course(kubectl)
    release.url = await find_url(kubectl, place.address)
    await release.wait_until_up()
    await release.make_admin_token()
    return release


def make_values(images: Mapping[str, str], config: str, passwords: tuple[str, str]) -> Obj:
    """Build the values: helm-values/jhaws.yaml's lines, and every component of z2jh at work.

    Args:
        images: Names by their short ones.
        config: Goes into `hub.extraConfig`.
        passwords: Of the admin, and of everybody else.
    """
    admin_password, user_password = passwords

    def image(name: str) -> Obj:
        where, tag = images[name].rsplit(":", 1)
        return {"name": where, "tag": tag}

    return {
        "hub": {
            "image": image("hub"),
            "config": {
                "JhawsAuthenticator": {
                    "admin_users": ["admin"],
                    "admin_password": admin_password,
                    "user_password": user_password,
                },
                "JhawsPlaceholder": {"seats": 1},
            },
            "extraConfig": {"tests": config},
        },
        "proxy": {"service": {"type": "NodePort"}, "chp": {"image": image("proxy")}},
        "singleuser": {
            "image": image("singleuser"),
            "networkTools": {"image": image("network-tools")},
            "cpu": {"guarantee": 0.1},
            "memory": {"guarantee": "256M", "limit": "1G"},
        },
        "scheduling": {
            "userScheduler": {"enabled": True, "replicas": 1, "image": image("kube-scheduler")},
            "podPriority": {"enabled": True},
        },
        "prePuller": {"hook": {"image": image("image-awaiter")}, "continuous": {"enabled": True}},
    }
