"""Why the API server refused to create a part of a server: quota, limits, policies, something that is missing.

It answers at once and for good, so there is nothing to wait for. What may pass (a conflict, too many requests, trouble
of the API server itself) is not here: the caller tries again. What is not in the table is an error nobody knows.

Source:
    Kubernetes 1.35: apiserver/pkg/admission/plugin/{resourcequota/controller,namespace/lifecycle/admission,
    webhook/errors/statuserror,policy/validating/dispatcher}.go, pod-security-admission/admission/admission.go,
    plugin/pkg/admission/{limitranger,serviceaccount,priority,runtimeclass}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from .signs import Failure, Row, first_failure, text

TELL = "Please tell the people who run this hub."


@dataclass(frozen=True)
class Refusal:
    """An answer of the API server that is no success; `message` is what its Status says."""

    status: int
    message: str
    what: str


def find_refusal(status: int, body: str, *, what: str) -> Failure | None:
    """Say why the API server refused to create something.

    Args:
        status: HTTP status of its answer.
        body: The answer: a Status in JSON; anything else (a proxy's HTML) tells nothing.
        what: What was to be created, for the admin: "pod", "persistent volume claim".

    Returns:
        The failure, None where the answer is not in the table.
    """
    try:
        answer = json.loads(body)
    except (TypeError, ValueError):
        return None
    return first_failure(ROWS, Refusal(status, text(answer, "message"), what))


def _says(pattern: str, *statuses: int) -> Callable[[Refusal], str | None]:
    """Make what a row sees: an answer with such words and one of these statuses; without statuses, with any."""
    wanted = re.compile(pattern)

    def sees(refusal: Refusal) -> str | None:
        if (statuses and refusal.status not in statuses) or not wanted.search(refusal.message):
            return None
        return f"The API server refused to create the {refusal.what} ({refusal.status}): {refusal.message}"

    return sees


ROWS: tuple[Row[Refusal], ...] = (
    Row(
        reason="storage_quota",
        title="The namespace's quota for storage is used up",
        message=f"There is no room for another home folder. {TELL}",
        mended_by="Raise the ResourceQuota, or delete PVCs of users who are gone.",
        sees=_says(r"^persistentvolumeclaims .*(exceeded|insufficient) quota", 403),
    ),
    Row(
        reason="quota_exceeded",
        title="The namespace's quota is used up",
        message="All that this hub may use is in use. Try again in a few minutes, or choose a smaller profile.",
        mended_by="Raise the ResourceQuota of the namespace, or let idle servers be culled sooner.",
        sees=_says(r"exceeded quota|insufficient quota", 403),
    ),
    Row(
        reason="quota_unmet",
        title="The quota wants limits that the pod does not have",
        message=f"This profile lacks a setting that this cluster wants. {TELL}",
        mended_by="Set KubeSpawner.cpu_limit, cpu_guarantee, mem_limit and mem_guarantee, or a LimitRange with "
        "defaults.",
        sees=_says(r"failed quota|status unknown for quota", 403),
    ),
    Row(
        reason="limits_exceeded",
        title="A LimitRange does not allow this size",
        message="This profile asks for more or less than one server may have here. Choose another profile, or tell "
        "the people who run this hub.",
        mended_by="Bring the profile's CPU, memory or storage and the namespace's LimitRange together.",
        sees=_says(r"(maximum|minimum) \S+ usage per |max limit to request ratio", 403),
    ),
    Row(
        reason="pod_security",
        title="Pod Security does not allow this pod",
        message=f"The rules of this cluster do not allow this server. {TELL}",
        mended_by="Change what the message names, give the namespace another level "
        "(pod-security.kubernetes.io/enforce), or turn JhawsSpawner.nfs_prepare_home off where it is the reason.",
        sees=_says(r"violates PodSecurity"),
    ),
    Row(
        reason="admission_refused",
        title="An admission webhook or policy refused",
        message=f"The rules of this cluster do not allow this server. {TELL}",
        mended_by="Read what the webhook or policy wants; the cluster's owner can except the hub's namespace.",
        sees=_says(r"denied the request|denied request"),
    ),
    Row(
        reason="webhook_down",
        title="An admission webhook does not answer",
        message=f"Servers cannot be started now. Try again in a few minutes; if it stays so, {TELL.lower()}",
        mended_by="Look at the pods behind the webhook that the message names; without them nothing can be created.",
        sees=_says(r"failed calling webhook"),
    ),
    Row(
        reason="service_account_missing",
        title="The ServiceAccount does not exist",
        message=f"The rights that your server needs are not set up. {TELL}",
        mended_by="Make the ServiceAccount that JhawsSpawner.iam_roles or KubeSpawner.service_account names, in the "
        "pod's namespace.",
        sees=_says(r"error looking up service account|no service account specified", 403),
    ),
    Row(
        reason="namespace_ending",
        title="The namespace is being deleted or does not exist",
        message=f"Servers cannot be started here. {TELL}",
        mended_by="Make the namespace again; with enable_user_namespaces, wait until the old one is gone.",
        sees=_says(r"is being terminated|^namespaces \"[^\"]+\" not found"),
    ),
    Row(
        reason="priority_class_missing",
        title="The PriorityClass does not exist",
        message=f"A setting of this profile is wrong. {TELL}",
        mended_by="Make the PriorityClass, or correct KubeSpawner.priority_class_name.",
        sees=_says(r"no PriorityClass with name", 403),
    ),
    Row(
        reason="runtime_class_missing",
        title="The RuntimeClass does not exist",
        message=f"A setting of this profile is wrong. {TELL}",
        mended_by="Make the RuntimeClass, or take it out of KubeSpawner.extra_pod_config.",
        sees=_says(r"RuntimeClass \"[^\"]+\" not found", 403),
    ),
    Row(
        reason="hub_not_allowed",
        title="The hub's Role lacks a right",
        message=f"This hub is not allowed to start servers. {TELL}",
        mended_by="Give the hub's Role the verb and resource that the message names (z2jh: rbac.create).",
        sees=_says(r"User \"[^\"]*\" cannot ", 403),
    ),
    Row(
        reason="manifest_invalid",
        title="The API server does not accept the pod's manifest",
        message=f"A setting of this server is wrong. {TELL}",
        mended_by="Correct the field that the message names, in the profile, in KubeSpawner.extra_pod_config or in a "
        "hook.",
        sees=_says(r" is invalid: |cannot be handled as a |strict decoding error", 400, 422),
    ),
    Row(
        reason="admission_refused",
        title="Another admission plugin refused",
        message=f"The rules of this cluster do not allow this server. {TELL}",
        mended_by="Read the message; an admission plugin of the API server wrote it.",
        sees=_says(r"^\S+ \"[^\"]*\" is forbidden: ", 403),
    ),
)
