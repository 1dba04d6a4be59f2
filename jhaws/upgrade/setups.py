"""What a hub would be with some values: its configuration, its spawner's class and its authenticator.

z2jh makes its configuration of values in the hub's pod, where nothing can be asked beforehand. Only those of its steps
are here that decide about names, homes and log-ins; `hub.config` and the classes that jhaws chooses come as in the pod.

Source:
    z2jh's files/hub/jupyterhub_config.py and values.yaml, read for chart 4.4.0.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator
from kubespawner import KubeSpawner
from traitlets import TraitError
from traitlets.config import Config

from ..errors import ConfigError
from ..hub import Z2JH_AUTHENTICATOR, Z2JH_SPAWNER, choose_classes, read_wanted
from ..values.hubcheck import CONFIG, TAKEN_OUT
from ..values.places import value_at

# Of z2jh's own values, those that go to one option of KubeSpawner and may change a name, a home or a start.
OPTIONS = {
    "pod_name_template": ("singleuser", "podNameTemplate"),
    "init_containers": ("singleuser", "initContainers"),
    "extra_containers": ("singleuser", "extraContainers"),
    "profile_list": ("singleuser", "profileList"),
    "extra_pod_config": ("singleuser", "extraPodConfig"),
}
HOME_MOUNT = "/home/jovyan"
VOLUME_NAME = "volume-{user_server}"
STATIC_FOLDER = "{username}"


@dataclass(frozen=True)
class Setup:
    """A hub that is not running.

    Attributes:
        config: Its configuration, without what hub.extraConfig does.
        spawner_class: KubeSpawner, JhawsSpawner or a subclass.
        authenticator: Made with that configuration, without a hub; None where its class is not installed here.
        login: The authenticator's name.
        home_mount: Where z2jh mounts homes.
    """

    config: Config
    spawner_class: type[KubeSpawner]
    authenticator: Authenticator | None
    login: str
    home_mount: str

    @property
    def classes(self) -> str:
        """The names of both classes."""
        return f"{self.spawner_class.__name__} and {self.login}"


def make_setup(values: Mapping[str, Any], *, option: str) -> Setup:
    """Make a setup of merged values.

    Args:
        values: Without the chart's defaults.
        option: The command-line option that the values came by, for errors.

    Raises:
        ConfigError: The values have a wrong form, the spawner's class is not installed or is no KubeSpawner, or the
            authenticator refuses its options.
    """
    try:
        config = make_config(values)
        if uses_jhaws(values):
            choose_classes(config, read_wanted(value_at(values, ("custom", "jhaws"))), _chart(values))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{option}: the values have text or a list where z2jh wants a mapping, or the reverse. Correct what "
            "`jhaws values check` says of them."
        ) from error
    spawner_class = _find_class(config, "spawner_class")
    if spawner_class is None or not issubclass(spawner_class, KubeSpawner):
        raise ConfigError(
            f"{option}: JupyterHub.spawner_class is {config.JupyterHub.spawner_class!r}, which is not installed here "
            "or no KubeSpawner; only a KubeSpawner's names can be told. Try it in the hub's image."
        )
    authenticator = _make_authenticator(config, option)
    login = type(authenticator).__name__ if authenticator else str(config.JupyterHub.authenticator_class)
    home_mount = value_at(values, ("singleuser", "storage", "homeMountPath")) or HOME_MOUNT
    return Setup(config, spawner_class, authenticator, login, home_mount)


def uses_jhaws(values: Mapping[str, Any]) -> bool:
    """Tell whether values are for a hub with jhaws in its image, by the image's name or by options of jhaws."""
    image = value_at(values, ("hub", "image", "name"))
    sections = value_at(values, CONFIG) or {}
    custom = value_at(values, ("custom", "jhaws"))
    return "jhaws" in str(image) or custom is not None or any(str(name).startswith("Jhaws") for name in sections)


def make_config(values: Mapping[str, Any]) -> Config:
    """Return the configuration as z2jh has it when jhaws's turn comes, as far as it matters here."""
    options = {name: copy.deepcopy(found) for name, path in OPTIONS.items() if (found := value_at(values, path))}
    config = Config({"JupyterHub": {"spawner_class": Z2JH_SPAWNER, "authenticator_class": Z2JH_AUTHENTICATOR}})
    config.merge(Config({"KubeSpawner": options | make_storage(value_at(values, ("singleuser", "storage")) or {})}))
    if roles := value_at(values, ("hub", "loadRoles")):
        config.JupyterHub.load_roles = list(copy.deepcopy(roles).values())
    for section, written in (value_at(values, CONFIG) or {}).items():
        if section[:1].isupper() and isinstance(written, Mapping):
            taken = TAKEN_OUT.get(section, ())
            config.merge(Config({section: {k: copy.deepcopy(v) for k, v in written.items() if k not in taken}}))
    return config


def make_storage(storage: Mapping[str, Any]) -> dict[str, Any]:
    """Return KubeSpawner's options for z2jh's `singleuser.storage`."""
    kind = storage.get("type", "dynamic")
    mount_path = storage.get("homeMountPath") or HOME_MOUNT
    detail = storage.get(kind) or {}
    options: dict[str, Any] = {}
    volumes: dict[str, Any] = {}
    mounts: dict[str, Any] = {}
    if kind == "dynamic":
        options["storage_pvc_ensure"] = True
        if detail.get("pvcNameTemplate"):
            options["pvc_name_template"] = detail["pvcNameTemplate"]
        name = detail.get("volumeNameTemplate") or VOLUME_NAME
        volumes[name] = {"name": name, "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
        mounts[name] = {"name": name, "mountPath": mount_path, "subPath": detail.get("subPath")}
    elif kind == "static":
        volumes["home"] = {"name": "home", "persistentVolumeClaim": {"claimName": detail.get("pvcName")}}
        folder = detail.get("subPath", STATIC_FOLDER)
        mounts["home"] = {"name": "home", "mountPath": mount_path, "subPath": folder}
    volumes |= _by_name(storage.get("extraVolumes"))
    mounts |= _by_name(storage.get("extraVolumeMounts"), numbered=True)
    return {**options, "volumes": volumes, "volume_mounts": mounts}


def _by_name(entries: Any, *, numbered: bool = False) -> dict[str, Any]:
    if isinstance(entries, Mapping):
        return dict(entries)
    return {f"{number}-{each['name']}" if numbered else each["name"]: each for number, each in enumerate(entries or ())}


def _chart(values: Mapping[str, Any]) -> Any:
    return lambda name: value_at(values, tuple(name.split("."))) if name != "hub" else True


def _make_authenticator(config: Config, option: str) -> Authenticator | None:
    cls = _find_class(config, "authenticator_class")
    try:
        return cls(config=config) if cls else None
    except (ConfigError, TraitError, ValueError) as error:
        raise ConfigError(
            f"{option}: {cls.__name__} refuses its options. Correct what `jhaws values check` says of them."
        ) from error


def _find_class(config: Config, name: str) -> Any:
    """Return a class that JupyterHub's option names, None where it is not installed here."""
    try:
        return JupyterHub.class_traits()[name]._validate(JupyterHub.__new__(JupyterHub), config.JupyterHub[name])
    except TraitError:
        return None
