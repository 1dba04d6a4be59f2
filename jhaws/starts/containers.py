"""Why a container does not start: its image, its settings, its command, its memory, or its own program.

The container's status says it, and it is always the latest word; events only tell how often something was tried.
kubelet pulls again after 10 s, 20 s, 40 s, and starts a crashed container again at once, then after 10 s, 20 s, 40 s.

Source:
    Kubernetes 1.35: pkg/kubelet/images/{types,image_manager}.go, pkg/kubelet/kuberuntime/{kuberuntime_container,
    kuberuntime_manager,security_context_others}.go, pkg/kubelet/{kubelet_pods,events/event}.go;
    containerd: internal/cri/server (StartError), core/remotes/docker (errors of registries).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..pods.ends import SERVER_CONTAINER
from ..pods.homes import INIT_CONTAINER
from .signs import Container, Event, Row, Signs

PULL_TRIES = 2
REGISTRY_TRIES = 3  # a registry that does not answer now may answer in a minute
OTHER_TRIES = 3
SANDBOX_TRIES = 5  # about a minute; a node that has just come has no network for some seconds
BLIND_SECONDS = 60.0  # for a hub that gets no events and so cannot count tries
PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"})
UNREACHABLE = re.compile(
    r"dial tcp|i/o timeout|[Tt]imeout|deadline exceeded|connection re(fused|set)|no such host|TLS handshake|x509"
    r"|registry is unavailable|toomanyrequests|Too Many Requests|: 5\d\d |\bEOF$"
)
DISK_FULL = re.compile(r"no space left on device")
NOT_THERE = re.compile(r"not found|manifest unknown|does not exist|NAME_UNKNOWN|no match for platform")
REFUSED = re.compile(r"[Uu]nauthorized|authorization failed|denied|[Ff]orbidden|no basic auth credentials|signature")
MISSING = re.compile(r"(secrets?|configmaps?) \"[^\"]+\" not found|couldn't find (key|any)|references non-existent")
ROOT = re.compile(r"runAsNonRoot")
SUB_PATH = re.compile(r"subPath")
NO_COMMAND = re.compile(r"executable file not found|exec: \"[^\"]*\": .*(no such file|permission denied)")
WRONG_CPU = re.compile(r"exec format error")
NO_ADDRESS = re.compile(
    r"assign an IP address|no available IP|IP address(es)? .*(exhausted|available)|InsufficientCidr"
)
MEMORY_TOO_LOW = re.compile(r"OOM-killed|memory limit too low")
SIGKILL = 137  # 128 + 9
TERMINATED_BY_OTHERS = frozenset({"ContainerStatusUnknown"})


def container_detail(signs: Signs, container: Container, words: str = "") -> str:
    """Return what the admin reads of a container: how it ended and its last words, or what it waits with."""
    end = container.end
    parts = [f"{container.waiting}: {container.message}" if container.waiting and not words else words]
    if end is not None and not words:
        parts.append(f"exit status {'unknown' if end.code is None else end.code}, {end.reason or 'no reason given'}")
        parts.append(f"last words: {end.message}" if end.message else "it left no last words")
    said = "; ".join(part for part in parts if part)
    return f"Pod {signs.name}, container {container.name} (image {container.image}): {said}"


def _see(check: Callable[[Signs, Container], bool], *, init: bool | None = None) -> Callable[[Signs], str | None]:
    """Make what a row sees: the first container, of all or only init ones or only others, for which `check` holds."""

    def sees(signs: Signs) -> str | None:
        if signs.deleted:
            return None
        found = (each for each in signs.containers if init in (None, each.init) and check(signs, each))
        return next((container_detail(signs, each) for each in found), None)

    return sees


def pull_words(signs: Signs, container: Container) -> str:
    """Return what is known of a pull that failed, "" where no pull has failed; the latest first."""
    if not container.waits or container.waiting not in PULLING:
        return ""
    events = [event.message for event in _failed_pulls(signs, container)]
    return " ".join([container.waiting, container.message, *events[:1]])


def _failed_pulls(signs: Signs, container: Container) -> list[Event]:
    return [e for e in signs.told("Failed", container=container.name) if e.message.startswith("Failed to pull image")]


def _pull_fails(pattern: re.Pattern[str] | None, *, tries: int = PULL_TRIES) -> Callable[[Signs, Container], bool]:
    """Make a check for a pull that failed so often, for such a reason; None is a reason that no pattern knows."""

    def check(signs: Signs, container: Container) -> bool:
        words = pull_words(signs, container)
        if not words or _pull_reason(words) is not pattern:
            return False
        if signs.out_of_time or signs.tried(_failed_pulls(signs, container), tries):
            return True
        return not signs.events and container.waiting != "ErrImagePull" and signs.patience_over(BLIND_SECONDS)

    return check


def _pull_reason(words: str) -> re.Pattern[str] | None:
    # In this order: a proxy that cannot be reached may say "not found" of a host.
    return next((each for each in (DISK_FULL, UNREACHABLE, NOT_THERE, REFUSED) if each.search(words)), None)


def _waits(reason: str, pattern: re.Pattern[str] | None = None) -> Callable[[Signs, Container], bool]:
    """Make a check for a container that waits with one of these reasons ("A|B"), and with such words."""

    def check(signs: Signs, container: Container) -> bool:
        fits = pattern is None or pattern.search(container.message) is not None
        return container.waits and container.waiting in reason.split("|") and fits

    return check


def _waits_long(reason: str, pattern: re.Pattern[str] | None = None) -> Callable[[Signs, Container], bool]:
    """Make a check for a container that could not be made so often that it never will be."""
    now = _waits(reason, pattern)

    def check(signs: Signs, container: Container) -> bool:
        failed = signs.told("Failed", container=container.name)
        tries = [event for event in failed if event.message.removeprefix("Error: ") == container.message]
        return now(signs, container) and (signs.out_of_time or signs.tried(tries, OTHER_TRIES))

    return check


def _cannot_run(signs: Signs, container: Container) -> bool:
    end = container.end
    words = f"{container.message} {end.message if end else ''}"
    failed = end is not None and end.reason in ("StartError", "ContainerCannotRun")
    waits = container.waiting in ("RunContainerError", "CreateContainerError")
    if (failed or waits) and ("no command specified" in words or NO_COMMAND.search(words)):
        return True
    return (failed or waits or container.failures > 0) and WRONG_CPU.search(words) is not None


def _hook_failed(signs: Signs, container: Container) -> bool:
    told = signs.told("FailedPostStartHook", container=container.name)
    return container.waiting == "PostStartHookError" or (bool(told) and container.failures > 0)


def was_out_of_memory(container: Container) -> bool:
    """Say whether the kernel killed a container for its memory, as far as Kubernetes knows."""
    end = container.end
    return end is not None and (end.reason == "OOMKilled" or MEMORY_TOO_LOW.search(end.message) is not None)


def was_killed(container: Container) -> bool:
    """Say whether a container was killed by a signal that nobody sends a server but the kernel, short of memory."""
    end = container.end
    return end is not None and end.code == SIGKILL and end.reason not in TERMINATED_BY_OTHERS


def _probe_failed(signs: Signs, container: Container) -> bool:
    killed = signs.told("Killing", container=container.name)
    probed = any(re.search(r"failed (liveness|startup) probe", event.message) for event in killed)
    return container.failures > 0 and probed


def _crashed(signs: Signs, container: Container) -> bool:
    """See the server's first crash. One whose sandbox went is started again, unharmed, so it gets a second chance."""
    if container.name != SERVER_CONTAINER or container.failures == 0:
        return False
    end = container.end
    moved = bool(signs.told("SandboxChanged")) or (end is not None and end.reason in TERMINATED_BY_OTHERS)
    return not moved or container.failures > 1 or signs.phase == "Failed"


def _killed(signs: Signs, container: Container) -> bool:
    return was_killed(container) and _crashed(signs, container)


def _ended(signs: Signs, container: Container) -> bool:
    return container.name == SERVER_CONTAINER and container.ended is not None and not container.ended.bad


def _init_failed(signs: Signs, container: Container) -> bool:
    return container.failures >= 2 or (container.failures == 1 and (signs.phase == "Failed" or signs.out_of_time))


def _home_failed(signs: Signs, container: Container) -> bool:
    return container.name == INIT_CONTAINER and _init_failed(signs, container)


def _extra_failed(signs: Signs, container: Container) -> bool:
    return container.name != SERVER_CONTAINER and container.failures >= OTHER_TRIES


def _no_network(pattern: re.Pattern[str]) -> Callable[[Signs], str | None]:
    """Make what a row sees: a pod whose network could not be set up so often, for such a reason."""

    def sees(signs: Signs) -> str | None:
        told = signs.told("FailedCreatePodSandBox") if signs.preparing else []
        found = [event for event in told if pattern.search(event.message)]
        return f"Pod {signs.name}: {found[0].message}" if signs.tried(found, SANDBOX_TRIES) else None

    return sees


TELL = "Please tell the people who run this hub."
ASK = "please tell the people who run this hub."
IMAGE_FAILED = f"The software (image) for this server could not be fetched. {TELL}"
MEMORY = "Your server ran out of memory while it started. Choose a larger profile, or tell the people who run this hub."
SETTINGS = f"Your server cannot start: a part of its settings is missing or wrong. {TELL}"
CRASHED = f"Your server ended with an error while it started. Try again; if it happens again, {ASK}"

ROWS: tuple[Row[Signs], ...] = (
    Row(
        reason="image_name_wrong",
        title="The image's name is not valid",
        message=f"The name of the software (image) for this server is wrong. Choose another, or {ASK}",
        mended_by="Correct KubeSpawner.image or the profile's image: registry/name:tag, in lower case.",
        sees=_see(_waits("InvalidImageName")),
    ),
    Row(
        reason="image_not_present",
        title="The image is not on the node and may not be pulled",
        message=IMAGE_FAILED,
        mended_by="Set KubeSpawner.image_pull_policy to IfNotPresent, or put the image on every node.",
        sees=_see(_waits("ErrImageNeverPull")),
    ),
    Row(
        reason="node_disk_full",
        title="The node's disk is too full for the image",
        message=f"The machine for your server has no room for its software (image). Try again; {ASK}",
        mended_by="Give the nodes larger disks (the root volume of the nodegroup), or make the image smaller.",
        sees=_see(_pull_fails(DISK_FULL)),
    ),
    Row(
        reason="registry_unreachable",
        title="The image registry does not answer or limits us",
        message="The software (image) for this server cannot be fetched now. "
        f"Try again in a few minutes; if it stays so, {ASK}",
        mended_by="Look whether nodes reach the registry (NAT gateway, VPC endpoints, its name and certificate) and "
        "whether its pull limit is used up.",
        sees=_see(_pull_fails(UNREACHABLE, tries=REGISTRY_TRIES)),
    ),
    Row(
        reason="image_not_found",
        title="The registry does not have the image",
        message=IMAGE_FAILED,
        mended_by="Look whether the image and tag exist in the registry, for this kind of CPU, and whether a private "
        "one has KubeSpawner.image_pull_secrets.",
        sees=_see(_pull_fails(NOT_THERE)),
    ),
    Row(
        reason="image_refused",
        title="The registry refuses the pull",
        message=IMAGE_FAILED,
        mended_by="Set KubeSpawner.image_pull_secrets, or let the nodes' IAM role read the ECR repository.",
        sees=_see(_pull_fails(REFUSED)),
    ),
    Row(
        reason="image_not_pulled",
        title="The image cannot be pulled, for another reason",
        message=IMAGE_FAILED,
        mended_by="Pull the image by hand on such a node (`crictl pull`).",
        sees=_see(_pull_fails(None)),
    ),
    Row(
        reason="config_missing",
        title="A ConfigMap or Secret of the environment does not exist",
        message=SETTINGS,
        mended_by="Make the ConfigMap, Secret or key that KubeSpawner.environment names, or take it out.",
        sees=_see(_waits("CreateContainerConfigError", MISSING)),
    ),
    Row(
        reason="root_not_allowed",
        title="The image would run as root",
        message=f"The software (image) for this server is not allowed here. Choose another, or {ASK}",
        mended_by="Set KubeSpawner.uid to a number above 0, or use an image whose USER is a number.",
        sees=_see(_waits("CreateContainerConfigError", ROOT)),
    ),
    Row(
        reason="folder_refused",
        title="A folder of a volume cannot be made or opened",
        message=f"Your home folder could not be opened. {TELL}",
        mended_by="Look who owns the folder on the volume; an NFS server with root_squash does not let kubelet make "
        "it, so make it by hand or keep JhawsSpawner.nfs_prepare_home on.",
        sees=_see(_waits_long("CreateContainerConfigError", SUB_PATH)),
    ),
    Row(
        reason="command_not_found",
        title="The image does not have the server's command",
        message=f"The software (image) for this server cannot run Jupyter. Choose another, or {ASK}",
        mended_by="Put JupyterHub into the image (jupyterhub-singleuser), for this kind of CPU, or correct "
        "KubeSpawner.cmd.",
        sees=_see(_cannot_run),
    ),
    Row(
        reason="container_not_made",
        title="The node cannot make the container",
        message=f"Your server could not be set up. Try again; if it happens again, {ASK}",
        mended_by="Look at kubelet and containerd on that node, and at what the pod wants of it.",
        sees=_see(_waits_long("CreateContainerConfigError|CreateContainerError|PreCreateHookError|PreStartHookError")),
    ),
    Row(
        reason="hook_failed",
        title="The postStart hook failed",
        message=f"A step that prepares your server failed. {TELL}",
        mended_by="Run the command of KubeSpawner.lifecycle_hooks.postStart in that image; it must end with status 0.",
        sees=_see(_hook_failed, init=False),
    ),
    Row(
        reason="out_of_memory",
        title="Out of memory while starting",
        message=MEMORY,
        mended_by="Raise KubeSpawner.mem_limit in this profile.",
        sees=_see(lambda _, container: container.failures > 0 and was_out_of_memory(container), init=False),
    ),
    Row(
        reason="not_answering",
        title="A probe of the container failed until it was killed",
        message=f"Your server started but did not answer in time. Try again; if it happens again, {ASK}",
        mended_by="Give the liveness or startup probe more time, or take it out of KubeSpawner.extra_container_config.",
        sees=_see(_probe_failed, init=False),
    ),
    Row(
        reason="out_of_memory",
        title="Killed while starting, most likely for memory",
        message=MEMORY,
        mended_by="Raise KubeSpawner.mem_limit in this profile, and look for the kernel's OOM lines on the node.",
        sees=_see(_killed, init=False),
    ),
    Row(
        reason="home_not_made",
        title="The home folder cannot be made (init container jhaws-home)",
        message=f"Your home folder could not be made. {TELL}",
        mended_by="The NFS export must let root write (no_root_squash, or an EFS access point without enforced user); "
        "else make homes yourself and set JhawsSpawner.nfs_prepare_home to false.",
        sees=_see(_home_failed, init=True),
    ),
    Row(
        reason="init_failed",
        title="An init container failed",
        message=f"A step that prepares your server failed. {TELL}",
        mended_by="Look at this container in KubeSpawner.init_containers, or at what the cluster puts into every pod.",
        sees=_see(_init_failed, init=True),
    ),
    Row(
        reason="container_crashed",
        title="The server crashed at its start",
        message=CRASHED,
        mended_by="Run the image by hand with the same command; a file in the home may be the reason too.",
        sees=_see(_crashed, init=False),
    ),
    Row(
        reason="ended_at_once",
        title="The server ended at its start, without an error",
        message=f"The software (image) for this server ended at once, so it may not be a Jupyter one. {TELL}",
        mended_by="Correct KubeSpawner.cmd; it must stay in the foreground.",
        sees=_see(_ended, init=False),
    ),
    Row(
        reason="extra_crashed",
        title="A container beside the server crashes",
        message=f"A part of your server ends with an error. {TELL}",
        mended_by="Look at this container in KubeSpawner.extra_containers, or at what the cluster puts into every pod.",
        sees=_see(_extra_failed, init=False),
    ),
    Row(
        reason="no_addresses",
        title="The node has no IP address left",
        message=f"There is no room for another server now{{running}}. Try again in a few minutes, or {ASK}",
        mended_by="Give the subnets more addresses, or turn on prefix delegation in the VPC CNI.",
        sees=_no_network(NO_ADDRESS),
    ),
    Row(
        reason="network_failed",
        title="The pod's network cannot be set up",
        message=f"The machine for your server has no network. Try again; if it happens again, {ASK}",
        mended_by="Look at the CNI's pods (aws-node) on that node.",
        sees=_no_network(re.compile("")),
    ),
)
