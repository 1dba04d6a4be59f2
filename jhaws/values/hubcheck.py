"""What a hub would say of values at its start, without one: its own code runs on them and is listened to.

Only the hub's pod has z2jh's module and every authenticator. What needs them is left out, and said where it matters.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyterhub.app import JupyterHub
from traitlets import TraitError
from traitlets.config import Config

from ..errors import ConfigError
from ..hub import (
    Z2JH_AUTHENTICATOR,
    Z2JH_PLACEHOLDER_PRIORITY,
    Z2JH_SPAWNER,
    Wanted,
    choose_classes,
    complete,
    read_wanted,
)
from ..login.authenticator import JhawsAuthenticator
from .places import Path, value_at

CONFIG: Path = ("hub", "config")
# What z2jh takes out of hub.config and sets by itself.
TAKEN_OUT = {"JupyterHub": ("proxy_auth_token", "cookie_secret", "services"), "CryptKeeper": ("keys",)}
# Of z2jh's own values, those that it makes options of KubeSpawner of, whose types the hub then looks at.
OF_KUBESPAWNER: dict[str, Path] = {
    "profile_list": ("singleuser", "profileList"),
    "cpu_limit": ("singleuser", "cpu", "limit"),
    "cpu_guarantee": ("singleuser", "cpu", "guarantee"),
    "mem_limit": ("singleuser", "memory", "limit"),
    "mem_guarantee": ("singleuser", "memory", "guarantee"),
    "uid": ("singleuser", "uid"),
    "fs_gid": ("singleuser", "fsGid"),
    "start_timeout": ("singleuser", "startTimeout"),
    "node_selector": ("singleuser", "nodeSelector"),
    "init_containers": ("singleuser", "initContainers"),
    "extra_containers": ("singleuser", "extraContainers"),
    "lifecycle_hooks": ("singleuser", "lifecycleHooks"),
    "extra_labels": ("singleuser", "extraLabels"),
    "extra_annotations": ("singleuser", "extraAnnotations"),
    "environment": ("singleuser", "extraEnv"),
}


@dataclass(frozen=True)
class Said:
    """A sentence of the hub.

    Attributes:
        sentence: As it would stand in the hub's log.
        path: The key it is about, as far as that is known.
        serious: Whether the hub ends with it.
    """

    sentence: str
    path: Path = CONFIG
    serious: bool = True

    @property
    def names(self) -> str:
        """The sentence with each option that it names written as SECTION.OPTION."""
        text = re.sub(r"([\w.]+) has no (?:option|part) '([^']+)'", r"\1.\2", self.sentence)
        text = re.sub(r"The profile .* names the nodegroup .*", "JhawsSpawner.profile_list", text)
        text = re.sub(r"Config option `(\w+)` not recognized by `(\w+)`", r"\2.\1", text)
        return re.sub(r"a section '([^']+)'", r"\1", text)


def ask_hub(values: Mapping[str, Any]) -> Iterator[Said]:
    """Give what a hub says that starts with these values; nothing where it would start in silence.

    Args:
        values: Merged values, without the chart's defaults.
    """
    sections = value_at(values, CONFIG)
    if not isinstance(sections, dict | None):
        yield Said(
            "hub.config must be a mapping of sections. Write the name of a class below it, such as JhawsSpawner."
        )
        return
    for name, options in (sections or {}).items():
        if name[:1].isupper() and not isinstance(options, dict):
            yield Said(
                f"The section {name!r} must be a mapping of options, got a {type(options).__name__}. Write its options "
                "below it, each with its value.",
                path=(*CONFIG, name),
            )
    try:
        wanted = read_wanted(value_at(values, ("custom", "jhaws")))
    except ConfigError as error:
        yield Said(str(error), path=("custom", "jhaws"))
        wanted = Wanted()
    sentences = _Sentences()
    try:
        _start(_make_config(values), wanted, values, sentences)
    except (ConfigError, TraitError) as error:
        for line in str(error).splitlines():
            yield Said(line)
    except Exception as error:  # noqa: BLE001  # upstream's code meets values of every shape
        yield Said(
            f"The hub ends at its start with a {type(error).__name__}: a value has a shape that nobody expects, often "
            "a list or a mapping in the place of a name. Write what the reference of options has."
        )
    for line in sentences.lines:
        yield Said(line, serious=False)


class _Sentences(logging.Handler):
    """Keeps the warnings that the hub's code logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(record.getMessage())


def _make_config(values: Mapping[str, Any]) -> Config:
    """Return the configuration as z2jh has it when jhaws's turn comes."""
    written = {name: value_at(values, path) for name, path in OF_KUBESPAWNER.items()}
    config = Config({"JupyterHub": {"spawner_class": Z2JH_SPAWNER, "authenticator_class": Z2JH_AUTHENTICATOR}})
    config.merge(Config({"KubeSpawner": {name: each for name, each in written.items() if each is not None}}))
    for section, options in (value_at(values, CONFIG) or {}).items():
        if section[:1].isupper() and isinstance(options, dict):
            taken = TAKEN_OUT.get(section, ())
            kept = {name: copy.deepcopy(value) for name, value in options.items() if name not in taken}
            config.merge(Config({section: kept}))
    return config


def _start(config: Config, wanted: Wanted, values: Mapping[str, Any], sentences: logging.Handler) -> None:
    """Run what a starting hub runs on its configuration.

    Raises:
        ConfigError: The hub would not start.
        TraitError: Likewise, where JupyterHub itself says so.
    """

    def chart(name: str) -> Any:
        return value_at(values, tuple(name.split("."))) if name != "hub" else True

    log = logging.Logger("jhaws.values", logging.WARNING)  # noqa: LOG001  # handlers of a shared one would add up
    log.addHandler(sentences)
    choose_classes(config, wanted, chart)
    if chart("scheduling.podPriority.enabled") and "priority_class" not in config.JhawsPlaceholder:
        # Its whole name is known in the hub's pod only.
        config.JhawsPlaceholder.priority_class = Z2JH_PLACEHOLDER_PRIORITY
    _leave_out_missing(config, log)
    app = JupyterHub(config=config, log=log)
    complete(app, wanted, chart)
    if issubclass(app.authenticator_class, JhawsAuthenticator):
        app.authenticator_class(config=config).check_names()


def _leave_out_missing(config: Config, log: logging.Logger) -> None:
    """Take out classes that only the hub's image has, with a word about it."""
    for name in ("authenticator_class", "spawner_class"):
        written = config.JupyterHub[name]
        try:
            JupyterHub.class_traits()[name]._validate(JupyterHub.__new__(JupyterHub), written)
        except (TraitError, ValueError, ImportError):
            log.warning(
                "JupyterHub.%s is %s, which is not installed here: its options were not checked. Run this in the hub's "
                "image to check them.",
                name,
                written,
            )
            config.JupyterHub[name] = "null" if name == "authenticator_class" else Z2JH_SPAWNER
