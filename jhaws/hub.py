"""`configure(c)`: the one place that puts jhaws into a hub.

It runs in two steps. While the configuration is read, it only names the spawner and the authenticator, where the
operator named none. The rest waits until the configuration is complete, which `hub.extraConfig` may still change: it
checks all options and adds the two services with the least scopes. That moment is when JupyterHub opens its
database: every file has been read, and no service, role or user has been made yet.

Nothing an operator set is overridden. What z2jh's own code and default values set counts as not set; who wants just
that says so under z2jh's `custom:`, for example `custom: {jhaws: {authenticator: false}}`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlparse

from jupyterhub.app import JupyterHub
from jupyterhub.utils import url_path_join
from kubespawner import KubeSpawner
from traitlets import TraitError
from traitlets.config import Config, Configurable

from . import pages
from .errors import ConfigError
from .login.authenticator import JhawsAuthenticator
from .names import hub_id
from .options import check_options, configured_value
from .pods.homes import check_shares, read_shares
from .pods.nodegroups import Nodegroup, read_nodegroups
from .pods.nodegroups import choose as choose_nodegroup
from .pods.profiles import named_nodegroups
from .pods.records import describe, suggest
from .services.culler.settings import JhawsCuller, make_scopes
from .services.placeholder.settings import JhawsPlaceholder
from .services.running import make_service_config
from .spawner import JhawsSpawner
from .starts.reconciling import Reconciler
from .store import ensure_database_id

SPAWNER = "jhaws.spawner.JhawsSpawner"
AUTHENTICATOR = "jhaws.login.authenticator.JhawsAuthenticator"
# What z2jh's code and values.yaml set, chart 4.4; a chart's default cannot be told from an operator's `dummy`.
Z2JH_SPAWNER = "kubespawner.KubeSpawner"
Z2JH_AUTHENTICATOR = "dummy"
Z2JH_CULLER = "jupyterhub-idle-culler"
Z2JH_PLACEHOLDER_PRIORITY = "user-placeholder-priority"

CULLER = "jhaws-culler"
PLACEHOLDER = "jhaws-placeholder"
# How a process finds Kubernetes; JupyterHub hands a service only what it is told to.
KUBERNETES_ENVIRONMENT = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
GIB = 2**30  # bytes
# Where a hub that listens on all addresses is reached from its own pod.
EVERY_ADDRESS = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not bound here

# A value of z2jh's chart by its dotted name, None where there is none; outside z2jh there is never one.
Chart = Callable[[str], Any]


@dataclass(frozen=True)
class Wanted:
    """Which parts of jhaws an operator wants; all, unless z2jh's `custom.jhaws` says otherwise."""

    spawner: bool = True
    authenticator: bool = True
    culler: bool = True
    placeholder: bool = True


def configure(c: Config, *, chart: Chart | None = None) -> None:
    """Put jhaws into the hub whose configuration is being read.

    Args:
        c: The configuration, from `get_config()`.
        chart: How to read a value of the z2jh chart; by default z2jh's own module, where the hub runs in z2jh.
    """
    values = chart or _read_chart()
    if not JupyterHub.initialized():
        # A subcommand such as `jupyterhub token`, which deletes every role that the configuration does not name.
        wanted = read_wanted(values("custom.jhaws"))
        choose_classes(c, wanted, values)
        if wanted.culler:
            c.JupyterHub.load_roles.append({"name": CULLER, "scopes": make_scopes(JhawsCuller())})
        return
    app = JupyterHub.instance()
    app.log.addFilter(hides_configuration)
    with _exit_on_mistake(app):
        wanted = read_wanted(values("custom.jhaws"))
        choose_classes(c, wanted, values)
    app.observe(lambda change: _complete_or_exit(change.owner, wanted, values), names="session_factory")


def hides_configuration(record: logging.LogRecord) -> bool:
    """Keep traitlets' `Config changed: …`, which shows every password, out of a hub's debug log."""
    return not str(record.msg).startswith("Config changed")


def _read_chart() -> Chart:
    try:
        import z2jh
    except ImportError:
        return lambda name: None
    return z2jh.get_config  # type: ignore[no-any-return]  # z2jh has no types


def read_wanted(value: Any) -> Wanted:
    """Return what z2jh's `custom.jhaws` asks for: nothing given is all, `false` is nothing.

    Raises:
        ConfigError: It has an unknown name or a value that is not true or false.
    """
    names = [field.name for field in fields(Wanted)]
    if value is None:
        return Wanted()
    if isinstance(value, bool):
        return Wanted(**dict.fromkeys(names, value))
    if not isinstance(value, Mapping):
        raise ConfigError(f"custom.jhaws must map {', '.join(names)} to true or false, got {describe(value)}.")
    for name, each in value.items():
        if name not in names:
            raise ConfigError(f"custom.jhaws has no part {name!r}. {suggest(str(name), names)}")
        if not isinstance(each, bool):
            raise ConfigError(f"custom.jhaws.{name} must be true or false, got {describe(each)}.")
    return Wanted(**value)


def choose_classes(c: Config, wanted: Wanted, chart: Chart) -> None:
    """Name our spawner and authenticator in `c` where the operator named none."""
    spawner = c.JupyterHub.get("spawner_class")
    z2jh_chose = spawner == Z2JH_SPAWNER and chart("hub") and not chart("hub.config.JupyterHub.spawner_class")
    if wanted.spawner and (spawner is None or z2jh_chose):
        c.JupyterHub.spawner_class = SPAWNER
    authenticator = c.JupyterHub.get("authenticator_class")
    z2jh_chose = authenticator == Z2JH_AUTHENTICATOR and chart("hub")
    if wanted.authenticator and (authenticator is None or z2jh_chose):
        c.JupyterHub.authenticator_class = AUTHENTICATOR


def _complete_or_exit(app: Any, wanted: Wanted, chart: Chart) -> None:
    with _exit_on_mistake(app):
        complete(app, wanted, chart)
        reconcile(app)


@contextlib.contextmanager
def _exit_on_mistake(app: Any) -> Iterator[None]:
    """End the hub with a line for each mistake in the configuration, without a traceback."""
    try:
        yield
    except (ConfigError, TraitError) as error:
        for line in str(error).splitlines():
            app.log.critical("The hub does not start: %s", line)
        app.exit(1)


def complete(app: Any, wanted: Wanted, chart: Chart) -> None:
    """Check the options and add the services, now that the configuration is complete.

    Args:
        app: The JupyterHub that starts; its configuration is read, its services are not made yet.
        wanted: The parts that the operator wants.
        chart: How to read a value of the z2jh chart.

    Raises:
        ConfigError: An option is wrong.
    """
    for warning in check_options(app.config, _our_classes(app), (type(app), KubeSpawner)):
        app.log.warning(warning)
    if issubclass(app.spawner_class, JhawsSpawner):
        check_spawner(app.spawner_class, app.config)
        pages.add_templates(app)
    _warn_of_lost_dummy(app, chart)
    if wanted.culler:
        _add_culler(app, chart)
    if wanted.placeholder:
        _add_placeholder(app, chart)


def check_spawner(spawner_class: type[JhawsSpawner], config: Config) -> None:
    """Check options of the spawner that must fit each other.

    Raises:
        ConfigError: A nodegroup is named that is not configured, or a share meets the homes.
    """

    def option(name: str) -> Any:
        return configured_value(spawner_class, config, name)

    groups = read_nodegroups("JhawsSpawner.nodegroups", option("nodegroups"))
    choose_nodegroup(groups, option("nodegroup"))
    for profile, name in named_nodegroups(option("profile_list")):
        if name not in groups:
            raise ConfigError(
                f"The profile {profile!r} names the nodegroup {name!r}, which JhawsSpawner.nodegroups does not have. "
                f"{suggest(str(name), groups)}"
            )
    if option("nfs_server"):
        shares = read_shares("JhawsSpawner.shares", option("shares"))
        check_shares(shares, home_template=option("nfs_home"), home_mount=option("home_mount"))


def reconcile(app: Any) -> None:
    """Have the pods of this hub and its database marked, and compare pods and servers from the hub's start on.

    Args:
        app: The JupyterHub that starts, on its event loop; its configuration is checked.
    """
    if not issubclass(app.spawner_class, JhawsSpawner):
        return
    app.spawner_class.hub_id = hub_id(_namespace(app), app.base_url)
    app.spawner_class.database_id = staticmethod(functools.cache(lambda: ensure_database_id(app.db)))
    if interval_seconds := _spawner_option(app, "reconcile_interval"):
        app.jhaws_reconciler = Reconciler(app, interval_seconds=interval_seconds)
        app.jhaws_reconciler.start()


def _our_classes(app: Any) -> tuple[type[Configurable], ...]:
    """Return the classes whose options are checked: those of the services, and the spawner and authenticator.

    Where an operator has subclassed ours, it is the subclass whose options count.
    """
    chosen = []
    for ours, used in ((JhawsSpawner, app.spawner_class), (JhawsAuthenticator, app.authenticator_class)):
        chosen.append(used if issubclass(used, ours) else ours)
    return (*chosen, JhawsCuller, JhawsPlaceholder)


def _warn_of_lost_dummy(app: Any, chart: Chart) -> None:
    if chart("hub.config.DummyAuthenticator") and issubclass(app.authenticator_class, JhawsAuthenticator):
        app.log.warning(
            "hub.config.DummyAuthenticator is set but not used: jhaws takes z2jh's default authenticator 'dummy' "
            "for not set. Set JhawsAuthenticator's passwords, or custom.jhaws.authenticator to false to keep 'dummy'."
        )


def _add_culler(app: Any, chart: Chart) -> None:
    """Add our culler instead of z2jh's, with the limits that the chart's values give to z2jh's."""
    written = dict(app.config["JhawsCuller"]) if "JhawsCuller" in app.config else {}
    if chart("cull.enabled") is False and not written:
        app.log.info("Idle servers are not culled: cull.enabled is false and JhawsCuller is not configured.")
        return
    options = {**_chart_cull_options(chart), **written}
    if "timeout" in written and "every" not in written:
        # The chart's goes with the chart's timeout; with another one the option's own default does.
        options.pop("every", None)
    settings = JhawsCuller(config=Config({"JhawsCuller": options}))
    app.services = [service for service in app.services if service.get("name") != Z2JH_CULLER]
    app.load_roles = [role for role in app.load_roles if role.get("name") != Z2JH_CULLER]
    _add_service(app, CULLER, "jhaws.services.culler", make_service_config(settings), scopes=make_scopes(settings))


def _chart_cull_options(chart: Chart) -> dict[str, Any]:
    """Return what the chart's `cull` values say, under our options' names; z2jh leaves out what is 0 or empty."""
    names = {
        "timeout": "timeout",
        "every": "every",
        "concurrency": "concurrency",
        "users": "cull_users",
        "removeNamedServers": "remove_named_servers",
        "maxAge": "max_age",
    }
    options = {ours: chart(f"cull.{theirs}") for theirs, ours in names.items() if chart(f"cull.{theirs}")}
    if chart("cull.adminUsers") is False:
        options["cull_admin_users"] = False
    return options


def _add_placeholder(app: Any, chart: Chart) -> None:
    settings = JhawsPlaceholder(config=app.config)
    if not settings.seats:
        return
    if not settings.priority_class and chart("scheduling.podPriority.enabled"):
        # The chart makes the class for its own placeholders.
        if chart("scheduling.userPlaceholder.enabled") is not False:
            settings.priority_class = _z2jh_name(Z2JH_PLACEHOLDER_PRIORITY)
    if not settings.priority_class:
        app.log.warning(
            "Placeholder pods stay off: JhawsPlaceholder.seats is set, but no PriorityClass below that of users' "
            "pods is. Set scheduling.podPriority.enabled and scheduling.userPlaceholder.enabled to true in z2jh, or "
            "JhawsPlaceholder.priority_class."
        )
        return

    image = chart("scheduling.userPlaceholder.image") or {}
    if image.get("name") and "image" not in app.config["JhawsPlaceholder"]:
        settings.image = f"{image['name']}:{image['tag']}" if image.get("tag") else image["name"]
    if settings.cpu_cores is None:
        settings.cpu_cores = _spawner_option(app, "cpu_guarantee") or None
    if settings.memory_gib is None and (guarantee := _spawner_option(app, "mem_guarantee")):
        settings.memory_gib = guarantee / GIB
    namespace = _namespace(app)
    nodegroups = read_nodegroups("JhawsSpawner.nodegroups", _spawner_option(app, "nodegroups") or {})
    environment = {
        "JHAWS_NAMESPACE": namespace,
        "JHAWS_HUB_ID": hub_id(namespace, app.base_url),
        # In a cluster the host name is that of the pod, and the hub's pod is its placeholders' owner.
        "JHAWS_HUB_POD": os.environ.get("HOSTNAME", "") if "KUBERNETES_SERVICE_HOST" in os.environ else "",
        "JHAWS_NODEGROUPS": json.dumps({name: _node_choice(group) for name, group in nodegroups.items()}),
        **{name: os.environ[name] for name in KUBERNETES_ENVIRONMENT if name in os.environ},
    }
    _add_service(app, PLACEHOLDER, "jhaws.services.placeholder", make_service_config(settings), environment=environment)


def _spawner_option(app: Any, name: str) -> Any:
    """Return an option of the spawner that is in use, None where that has no such option."""
    traits = app.spawner_class.class_trait_names()
    return configured_value(app.spawner_class, app.config, name) if name in traits else None


def _namespace(app: Any) -> str:
    return _spawner_option(app, "namespace") or "default"


def _z2jh_name(short_name: str) -> str:
    import z2jh

    return str(z2jh.get_name(short_name))


def _node_choice(group: Nodegroup) -> dict[str, Any]:
    """Return what a placeholder pod must say to land on the nodes of `group`."""
    return {"node_labels": dict(group.node_labels), "taints": [asdict(taint) for taint in group.taints]}


def _add_service(
    app: Any,
    name: str,
    module: str,
    options: str,
    *,
    scopes: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Add a hub-managed service that runs `module`, and a role for it where it needs the hub's API."""
    if any(service.get("name") == name for service in app.services):
        raise ConfigError(f"JupyterHub.services has a service {name!r}, which is jhaws's own. Rename yours.")
    passed = {"JHAWS_SERVICE_CONFIG": options, **(environment or {})}
    if url := local_api_url(app):
        passed["JHAWS_HUB_API_URL"] = url
    service = {"name": name, "command": [sys.executable, "-m", module], "environment": passed}
    app.services = [*app.services, service]
    if scopes:
        role = {"name": name, "scopes": list(scopes), "services": [name]}
        app.load_roles = [*app.load_roles, role]


def local_api_url(app: Any) -> str:
    """Return the URL of the hub's API within its own pod, "" where only JupyterHub's own URL will do.

    In z2jh that one is the Kubernetes Service `hub`, which the hub's own pod may not reach under z2jh's network
    policy; so z2jh's culler uses localhost too.
    """
    bind = urlparse(app.hub_bind_url or "")
    if app.internal_ssl or bind.scheme not in ("", "http"):
        return ""
    port = bind.port or app.hub_port
    host = bind.hostname or app.hub_ip
    host = EVERY_ADDRESS.get(host, host)
    if ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}{url_path_join(app.base_url, 'hub/api')}"
