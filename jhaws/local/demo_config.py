"""The demo's hub: what an operator would write into `hub.config`, as a jupyterhub_config.py.

`jhaws demo` runs JupyterHub with this file. Only the first part is about running on one machine; the second is what
one would set on a real cluster too.
"""

# ruff: noqa: F821  # JupyterHub defines get_config before it runs a configuration

import json
import os
from pathlib import Path

from jhaws.hub import configure

demo = json.loads(os.environ["JHAWS_DEMO"])
state = Path(demo["state"])
c = get_config()  # type: ignore[name-defined]

# --- one machine instead of a cluster -----------------------------------------------------------------------------
c.JupyterHub.bind_url = f"http://127.0.0.1:{demo['port']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{demo['hub_port']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{demo['proxy_port']}"
c.ConfigurableHTTPProxy.command = [demo["proxy"]]
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{state}/jupyterhub.sqlite"
c.JupyterHub.upgrade_db = True  # a folder of JupyterHub 5 goes on with 6; JupyterHub keeps a copy of the old one
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
c.JupyterHub.cleanup_servers = False  # the embedded cluster ends them
# Servers and proxy tell of activity often enough for `--cull-after 60`; the default is 300 s each.
c.JupyterHub.last_activity_interval = 30
c.KubeSpawner.environment = {"JUPYTERHUB_ACTIVITY_INTERVAL": "30"}
c.KubeSpawner.namespace = "default"
c.KubeSpawner.image = "jhaws/demo:1"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
if os.geteuid() == 0:
    c.KubeSpawner.args = ["--allow-root"]

# --- what an operator would set -----------------------------------------------------------------------------------
c.JhawsAuthenticator.admin_users = {"admin"}
c.JhawsAuthenticator.admin_password = demo["admin_password"]
c.JhawsAuthenticator.user_password = demo["user_password"]

c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.shares = [{"name": "shared", "mount": "/home/jovyan/shared", "read_only": False}]
c.JhawsSpawner.nodegroups = {
    "jhusers": {"node_labels": {"hub.jupyter.org/node-purpose": "user"}, "cpu_cores": 2, "memory_gib": 8},
    "jhlarge": {
        "node_labels": {"hub.jupyter.org/node-purpose": "large"},
        "taints": ["hub.jupyter.org/dedicated=large:NoSchedule"],
        "cpu_cores": 8,
        "memory_gib": 32,
    },
}
c.JhawsSpawner.iam_roles = [{"role": "arn:aws:iam::123456789012:role/{username}-role"}]
c.JhawsSpawner.git_repos = [{"url": demo["course"], "branch": "main", "directory": "course"}]
c.JhawsSpawner.profile_list = [
    {
        "display_name": "Small",
        "description": "1 core and 1 GiB, on a node that is already there",
        "nodegroup": "jhusers",
        "default": True,
        "kubespawner_override": {"cpu_guarantee": 1, "mem_guarantee": "1G"},
    },
    {
        "display_name": "Large",
        "description": "4 cores and 8 GiB; a node is started for it, which takes a few seconds here",
        "nodegroup": "jhlarge",
        "kubespawner_override": {"cpu_guarantee": 4, "mem_guarantee": "8G"},
    },
]
c.Spawner.default_url = "/lab"

c.JhawsCuller.timeout = demo["cull_after_seconds"]
c.JhawsPlaceholder.seats = {"jhusers": 1}
c.JhawsPlaceholder.priority_class = "placeholder"
c.JhawsPlaceholder.cpu_cores = 1.0
c.JhawsPlaceholder.memory_gib = 1.0


configure(c)
