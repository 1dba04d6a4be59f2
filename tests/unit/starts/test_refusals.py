"""What the API server refuses to create, in its own words."""

import json

import pytest

from jhaws.starts.refusals import ROWS, find_refusal


def status(code: int, message: str) -> str:
    """Build the Status that the API server answers with."""
    return json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})


POD = 'pods "jupyter-ada" is forbidden: '
REFUSALS = [
    ("quota_exceeded", 403, POD + "exceeded quota: compute, requested: limits.memory=2Gi, used: 8Gi, limited: 8Gi"),
    ("quota_exceeded", 403, POD + "insufficient quota to consume: pods"),
    ("storage_quota", 403, 'persistentvolumeclaims "claim-ada" is forbidden: exceeded quota: disk, requested: 10Gi'),
    ("quota_unmet", 403, POD + "failed quota: compute: must specify limits.cpu for: notebook"),
    ("quota_unmet", 403, POD + "status unknown for quota: compute, resources: limits.memory"),
    ("limits_exceeded", 403, POD + "memory max limit to request ratio per Container is 2, but provided ratio is 4"),
    ("limits_exceeded", 403, POD + "maximum memory usage per Container is 2Gi, but limit is 4Gi"),
    ("limits_exceeded", 403, POD + "[minimum cpu usage per Container is 100m, but request is 10m]"),
    (
        "pod_security",
        403,
        POD + 'violates PodSecurity "restricted:latest": runAsNonRoot != true (pod)',
    ),
    ("admission_refused", 403, 'admission webhook "validate.kyverno.svc-fail" denied the request: no latest tag'),
    ("admission_refused", 400, 'admission webhook "gate.example.org" denied the request: image not signed'),
    ("admission_refused", 422, POD + "ValidatingAdmissionPolicy 'tags' with binding 'hub' denied request: no tag"),
    (
        "webhook_down",
        500,
        'Internal error occurred: failed calling webhook "x.y.z": no endpoints available',
    ),
    (
        "service_account_missing",
        403,
        POD + 'error looking up service account hub/staff: serviceaccount "staff" not found',
    ),
    ("service_account_missing", 403, POD + "no service account specified for pod hub/jupyter-ada"),
    ("namespace_ending", 403, POD + "unable to create new content in namespace hub because it is being terminated"),
    ("namespace_ending", 404, 'namespaces "hub-ada" not found'),
    ("priority_class_missing", 403, POD + "no PriorityClass with name hub-user was found"),
    ("runtime_class_missing", 403, POD + 'pod rejected: RuntimeClass "gvisor" not found'),
    (
        "hub_not_allowed",
        403,
        'pods is forbidden: User "system:serviceaccount:hub:hub" cannot create resource "pods" in API group ""',
    ),
    ("manifest_invalid", 422, 'Pod "jupyter-ada" is invalid: spec.containers[0].image: Required value'),
    ("manifest_invalid", 400, 'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string'),
    ("manifest_invalid", 400, 'strict decoding error: unknown field "spec.volume"'),
    ("admission_refused", 403, POD + "pod node label selector conflicts with its namespace node label selector"),
]


@pytest.mark.parametrize(("reason", "code", "message"), REFUSALS)
def test_a_refusal_has_a_reason_and_the_admin_reads_it_whole(reason: str, code: int, message: str) -> None:
    """What the API server refuses for good has its row; its words are for the admin, with the name of what it is."""
    failure = find_refusal(code, status(code, message), what="pod")

    assert failure is not None
    assert failure.reason == reason
    assert f"refused to create the pod ({code}): {message}" in failure.detail
    assert "jupyter-ada" not in failure.message


def test_every_row_of_refusals_has_a_case() -> None:
    """No row of the table of refusals is without a case that it recognises."""
    failures = [find_refusal(code, status(code, message), what="pod") for _, code, message in REFUSALS]
    seen = {row.title for row in ROWS for each in failures if each and each.detail.endswith(row.mended_by)}

    assert {row.title for row in ROWS} == seen


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (409, status(409, 'pods "jupyter-ada" already exists')),
        (409, status(409, 'Operation cannot be fulfilled on resourcequotas "compute": the object has been modified')),
        (401, status(401, "Unauthorized")),
        (429, status(429, "Too many requests, please try again later.")),
        (500, status(500, "etcdserver: request timed out")),
        (503, "<html><body>503 Service Unavailable</body></html>"),
        (403, "<html>exceeded quota</html>"),
        (404, status(404, 'pods "jupyter-ada" not found')),
        (500, status(500, 'exceeded quota, says pods "jupyter-ada" is forbidden: ')),
        (403, ""),
        (403, "[]"),
        (403, "null"),
        (403, json.dumps({"message": ["exceeded quota"]})),
    ],
)
def test_what_is_not_in_the_table_is_an_error_nobody_knows(code: int, body: str) -> None:
    """Trouble of the API server, a conflict and a body that is no Status are no refusal; the caller decides."""
    assert find_refusal(code, body, what="pod") is None
