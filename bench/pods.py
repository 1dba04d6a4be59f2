"""Manifests and statuses of pods, as the API server of a real hub has them.

A crowd pod is one of thousands that just run, about as large as z2jh's are in real clusters; `make_pending_status` and
`make_running_status` are what a kubelet writes of any pod.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]

NODE = "jhaws-bench"
RUN_LABEL = "jhaws-bench/run"  # whose pods the benchmark's kubelet runs
READY_AFTER = "jhaws-bench/ready-after"  # seconds from its creation, "LEAST-MOST"
HTTP_AFTER = "jhaws-bench/http-after"  # seconds from Ready, ditto
AS_PROCESS = "jhaws-bench/as-process"  # "yes": run the pod's command instead of a stub that only answers

HUB_LABELS = {"app": "jupyterhub", "component": "singleuser-server", "release": "jupyterhub", "heritage": "jupyterhub"}
POD_BYTES = 10_240


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_crowd_pod(name: str, *, padding: int = 0) -> Obj:
    """Build a user's pod as z2jh's spawner makes it.

    Args:
        name: Its name.
        padding: Characters more in one of its variables, which bring it to `POD_BYTES` on the server.
    """
    env = {
        "JPY_API_TOKEN": "0123456789abcdef" * 2,
        "JUPYTERHUB_ACTIVITY_URL": f"http://hub:8081/hub/api/users/{name}/activity",
        "JUPYTERHUB_API_TOKEN": "0123456789abcdef" * 2,
        "JUPYTERHUB_API_URL": "http://hub:8081/hub/api",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{name}",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"/user/{name}/oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": f'["access:servers!server={name}/", "access:servers!user={name}"]',
        "JUPYTERHUB_SERVICE_PREFIX": f"/user/{name}/",
        "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888/user/{name}/",
        "JUPYTERHUB_USER": name,
        "JUPYTER_IMAGE_SPEC": "quay.io/jupyter/scipy-notebook:2026-10-01",
        "MEM_LIMIT": "2147483648",
        "MEM_GUARANTEE": "1073741824",
        "COURSE_TEXT": "x" * padding,
    }
    container = {
        "name": "notebook",
        "image": env["JUPYTER_IMAGE_SPEC"],
        "args": ["jupyterhub-singleuser"],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "ports": [{"containerPort": 8888, "name": "notebook-port"}],
        "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "runAsUser": 1000},
        "volumeMounts": [
            {"mountPath": "/home/jovyan", "name": "home", "subPath": f"home/{name}"},
            {"mountPath": "/shared", "name": "home", "subPath": "shared", "readOnly": True},
        ],
    }
    return {
        "metadata": {
            "name": name,
            "labels": {**HUB_LABELS, "hub.jupyter.org/username": name, "hub.jupyter.org/servername": ""},
            "annotations": {"hub.jupyter.org/username": name, "hub.jupyter.org/kubespawner-version": "7.1.0"},
        },
        "spec": {
            "nodeName": NODE,
            "automountServiceAccountToken": False,
            "containers": [container],
            "securityContext": {"fsGroup": 100},
            "tolerations": [
                {"key": key, "operator": "Equal", "value": "user", "effect": "NoSchedule"}
                for key in ("hub.jupyter.org/dedicated", "hub.jupyter.org_dedicated")
            ],
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}],
        },
    }


def make_pending_status(pod: Obj) -> Obj:
    """Build the status of a pod whose image is there and whose container is being made."""
    container = {
        **_container_status(pod),
        "state": {"waiting": {"reason": "ContainerCreating"}},
        "ready": False,
        "started": False,
    }
    unready = {"reason": "ContainersNotReady", "message": "containers with unready status: [notebook]"}
    return {
        "phase": "Pending",
        "hostIP": "127.0.0.1",
        "startTime": now(),
        "conditions": _conditions("False", unready),
        "containerStatuses": [container],
    }


def make_running_status(pod: Obj, *, ip: str, restarts: int = 0) -> Obj:
    """Build the status of a pod that runs and is ready.

    Args:
        pod: The pod.
        ip: Its address.
        restarts: How often its container was started again.
    """
    container = {
        **_container_status(pod),
        "imageID": f"{pod['spec']['containers'][0]['image']}@sha256:{'0' * 64}",
        "containerID": f"containerd://{pod['metadata']['uid'].replace('-', '') * 2}",
        "state": {"running": {"startedAt": now()}},
        "ready": True,
        "started": True,
        "restartCount": restarts,
    }
    return {
        "phase": "Running",
        "hostIP": "127.0.0.1",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": pod["status"].get("startTime") or now(),
        "conditions": _conditions("True", {}),
        "containerStatuses": [container],
    }


def _container_status(pod: Obj) -> Obj:
    container = pod["spec"]["containers"][0]
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "lastState": {},
        "restartCount": 0,
        "state": {},
        "ready": False,
    }


def _conditions(ready: str, why: Obj) -> list[Obj]:
    common = {"lastProbeTime": None, "lastTransitionTime": now()}
    return [
        {"type": "PodScheduled", "status": "True", **common},
        {"type": "Initialized", "status": "True", **common},
        {"type": "PodReadyToStartContainers", "status": ready, **common},
        {"type": "ContainersReady", "status": ready, **why, **common},
        {"type": "Ready", "status": ready, **why, **common},
    ]
