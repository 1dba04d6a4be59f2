"""Pods: what the server fills in, and what it refuses, where operators of a hub make mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.api.cluster import Cluster, make_pod

SUBDOMAIN = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
LABEL = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
PART = "must consist of alphanumeric characters, '-', '_' or '.'"


def main(**fields: Any) -> dict[str, Any]:
    """Build a spec whose only container has these fields."""
    return {"containers": [{"name": "main", "image": "x", **fields}]}


async def test_defaults(cluster: Cluster) -> None:
    """A minimal pod comes back complete."""
    code, pod = await cluster.call("POST", cluster.pods, make_pod("one"))

    assert code == 201
    assert pod["spec"] == {
        "automountServiceAccountToken": False,
        "containers": [
            {
                "image": "example.org/main:1",
                "imagePullPolicy": "IfNotPresent",
                "name": "main",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "restartPolicy": "Always",
        "schedulerName": "nobody",
        "securityContext": {},
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [
            {
                "effect": "NoExecute",
                "key": f"node.kubernetes.io/{condition}",
                "operator": "Exists",
                "tolerationSeconds": 300,
            }
            for condition in ("not-ready", "unreachable")
        ],
    }
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["metadata"]["generation"] == 1


async def test_defaults_inside_containers_and_volumes(cluster: Cluster) -> None:
    """Ports, probes, references and volumes are completed, empty lists left out, quantities respelled."""
    spec = {
        **main(
            image="example.org/x:latest",
            args=["a"],
            command=[],
            ports=[{"containerPort": 8888}],
            env=[{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            resources={"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"memory": "1.5Gi"}},
            readinessProbe={"httpGet": {"port": 8888}, "periodSeconds": 3},
            lifecycle={"postStart": {"exec": {"command": ["x"]}}},
            volumeMounts=[{"name": "a", "mountPath": "/a", "subPath": "x"}],
        ),
        "volumes": [
            {"name": "a", "hostPath": {"path": "/x"}},
            {"name": "b"},
            {"name": "s", "secret": {"secretName": "x"}},
            {"name": "n", "nfs": {"server": "s", "path": "/"}},
        ],
        "nodeSelector": {},
        "imagePullSecrets": [],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
    }
    code, pod = await cluster.call("POST", cluster.pods, make_pod("one", spec=spec, labels={}))
    assert code == 201, pod
    found = pod["spec"]

    assert found["containers"] == [
        {
            "args": ["a"],
            "env": [
                {
                    "name": "NAME",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
                }
            ],
            "image": "example.org/x:latest",
            "imagePullPolicy": "Always",
            "lifecycle": {"postStart": {"exec": {"command": ["x"]}}},
            "name": "main",
            "ports": [{"containerPort": 8888, "protocol": "TCP"}],
            "readinessProbe": {
                "failureThreshold": 3,
                "httpGet": {"path": "/", "port": 8888, "scheme": "HTTP"},
                "periodSeconds": 3,
                "successThreshold": 1,
                "timeoutSeconds": 1,
            },
            "resources": {
                "limits": {"memory": "1536Mi"},
                "requests": {"cpu": "500m", "memory": "1Gi"},
            },
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "volumeMounts": [{"mountPath": "/a", "name": "a", "subPath": "x"}],
        }
    ]
    assert found["volumes"] == [
        {"name": "a", "hostPath": {"path": "/x", "type": ""}},
        {"name": "b", "emptyDir": {}},
        {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
        {"name": "n", "nfs": {"server": "s", "path": "/"}},
    ]
    assert [t["key"] for t in found["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    assert not {"nodeSelector", "imagePullSecrets"} & set(found)
    assert "labels" not in pod["metadata"]
    assert pod["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1", "1"),
        (2, "2"),
        (0.5, "500m"),
        ("1000m", "1"),
        ("0.1", "100m"),
        ("1e3", "1e3"),
        ("10e4", "100e3"),
        ("1e-3", "1e-3"),
        ("1500", "1500"),
        ("12000", "12k"),
        ("0", "0"),
        ("0.0001", "1m"),
    ],
)
async def test_spelling_of_cpu(cluster: Cluster, written: Any, stored: str) -> None:
    """A quantity has one spelling, whoever wrote it; CPU is rounded up to a thousandth."""
    spec = main(resources={"requests": {"cpu": written}})
    code, pod = await cluster.call("POST", cluster.pods, make_pod("one", spec=spec), dryRun="All")

    assert code == 201, pod
    assert pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] == stored


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1000Mi", "1000Mi"),
        ("512", "512"),
        (1073741824, "1073741824"),
        ("1G", "1G"),
        ("0.5Ki", "512"),
        ("128974848", "128974848"),
        ("129e6", "129e6"),
    ],
)
async def test_spelling_of_memory(cluster: Cluster, written: Any, stored: str) -> None:
    """Binary and decimal suffixes are kept apart, each as large as fits."""
    spec = main(resources={"limits": {"memory": written}})
    code, pod = await cluster.call("POST", cluster.pods, make_pod("one", spec=spec), dryRun="All")

    assert code == 201, pod
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"memory": stored}, "requests": {"memory": stored}}


@pytest.mark.parametrize("quantity", ["x", "1Gib", "1 Gi", "", "--1", "1.2.3"])
async def test_bad_quantities_are_refused(cluster: Cluster, quantity: str) -> None:
    """What is no quantity is a bad request."""
    spec = main(resources={"requests": {"memory": quantity}})
    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one", spec=spec))

    assert (refusal.code, refusal.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"example.org/gpu": "1"}}, "BestEffort"),
    ],
)
async def test_quality_of_service(cluster: Cluster, resources: dict, qos: str) -> None:
    """The class follows from requests and limits."""
    pod = make_pod("one", spec=main(resources=resources))
    _, found = await cluster.call("POST", cluster.pods, pod, dryRun="All")

    assert found["status"]["qosClass"] == qos


METADATA = [
    ({"name": "Bad_Name"}, "metadata.name", SUBDOMAIN),
    ({"name": "a" * 254}, "metadata.name", "must be no more than 253 "),
    ({"name": "-a"}, "metadata.name", SUBDOMAIN),
    ({"name": "ü"}, "metadata.name", SUBDOMAIN),
    ({"name": "a/b"}, "metadata.name", ""),
    ({"name": ""}, "metadata.name", "Required value: name or generateName is required"),
    ({"labels": {"a b": "x"}}, "metadata.labels", f"name part {PART}"),
    ({"labels": {"a" * 64: "x"}}, "metadata.labels", "name part must be no more than 63 "),
    ({"labels": {"": "x"}}, "metadata.labels", "name part must be non-empty"),
    ({"labels": {"/x": "x"}}, "metadata.labels", "prefix part must be non-empty"),
    ({"labels": {"a/b/c": "x"}}, "metadata.labels", "a valid label key"),
    ({"labels": {"A_/b": "x"}}, "metadata.labels", f"prefix part {SUBDOMAIN}"),
    ({"labels": {"a": "x" * 64}}, "metadata.labels", "must be no more than 63 "),
    ({"labels": {"a": "-x"}}, "metadata.labels", "a valid label must be an empty string or consist of"),
    ({"labels": {"a": "x@example.org"}}, "metadata.labels", "a valid label must be an empty string or"),
    ({"annotations": {"A/B/C": "x"}}, "metadata.annotations", "a valid label key"),
    ({"annotations": {"a": "x" * 300_000}}, "metadata.annotations", "Too long: may not be more than 262144 "),
    ({"finalizers": ["x"]}, "metadata.finalizers[0]", "name is neither a standard finalizer name nor"),
    (
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]},
        "metadata.ownerReferences.uid",
        "must not be empty",
    ),
]


@pytest.mark.parametrize(("meta", "field", "message"), METADATA)
async def test_bad_metadata_is_refused(cluster: Cluster, meta: dict, field: str, message: str) -> None:
    """Names, labels and annotations must keep the rules of Kubernetes; the error says which."""
    pod = make_pod("one")
    pod["metadata"] |= meta
    refusal = await cluster.refuse("POST", cluster.pods, pod, dryRun="All")

    assert (refusal.code, refusal.reason) == (422, "Invalid")
    assert refusal.details["kind"] == "Pod"
    assert refusal.causes[0][0] == field
    assert message in refusal.causes[0][1]
    assert refusal.message.startswith(f'Pod "{pod["metadata"]["name"]}" is invalid: ')


async def test_names_that_are_fine(cluster: Cluster) -> None:
    """The longest allowed names and values are taken."""
    meta = {
        "labels": {"a" * 63: "b" * 63, "example.org/" + "c" * 63: "", "A.b_C-1": "x_Y.z-1"},
        "annotations": {"Example.ORG/a": "ü" * 1000},
    }
    pod = make_pod("a" * 253, **meta)
    code, found = await cluster.call("POST", cluster.pods, pod, dryRun="All")

    assert code == 201, found


A = {"volumes": [{"name": "a"}]}
REQUIRED = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
SPECS = [
    ({"containers": []}, "spec.containers", "Required value"),
    (main(image=""), "spec.containers[0].image", "Required value"),
    (main(name=""), "spec.containers[0].name", "Required value"),
    (main(name="A"), "spec.containers[0].name", LABEL),
    (
        {"containers": [{"name": "c", "image": "x"}, {"name": "c", "image": "x"}]},
        "spec.containers[1].name",
        'Duplicate value: "c"',
    ),
    (
        {"initContainers": [{"name": "main", "image": "x"}]},
        "spec.initContainers[0].name",
        'Duplicate value: "main"',
    ),
    ({"volumes": [{"name": "a"}, {"name": "a"}]}, "spec.volumes[1].name", 'Duplicate value: "a"'),
    ({"volumes": [{"name": "A_b"}]}, "spec.volumes[0].name", LABEL),
    ({"volumes": [{"name": "a" * 64}]}, "spec.volumes[0].name", "must be no more than 63 "),
    (
        {"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}}]},
        "spec.volumes[0].hostPath",
        "Forbidden: may not specify more than 1 volume type",
    ),
    (
        {"volumes": [{"name": "a", "nfs": {"server": "", "path": "/"}}]},
        "spec.volumes[0].nfs.server",
        "Required value",
    ),
    (
        {"volumes": [{"name": "a", "nfs": {"server": "s", "path": "x"}}]},
        "spec.volumes[0].nfs.path",
        'Invalid value: "x": must be an absolute path',
    ),
    (
        {"volumes": [{"name": "a", "hostPath": {"path": "../x"}}]},
        "spec.volumes[0].hostPath.path",
        "must not contain '..'",
    ),
    (
        {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": ""}}]},
        "spec.volumes[0].persistentVolumeClaim.claimName",
        "Required value",
    ),
    ({"volumes": [{"name": "a", "secret": {}}]}, "spec.volumes[0].secret.secretName", "Required value"),
    ({"volumes": [{"name": "a", "configMap": {}}]}, "spec.volumes[0].configMap.name", "Required value"),
    (
        main(volumeMounts=[{"name": "b", "mountPath": "/x"}]) | A,
        "spec.containers[0].volumeMounts[0].name",
        'Not found: "b"',
    ),
    (
        main(volumeMounts=[{"name": "a", "mountPath": "/x"}, {"name": "a", "mountPath": "/x"}]) | A,
        "spec.containers[0].volumeMounts[1].mountPath",
        'Invalid value: "/x": must be unique',
    ),
    (
        main(volumeMounts=[{"name": "a", "mountPath": ""}]) | A,
        "spec.containers[0].volumeMounts[0].mountPath",
        "Required value",
    ),
    (
        main(volumeMounts=[{"name": "a", "mountPath": "/a", "subPath": "/x"}]) | A,
        "spec.containers[0].volumeMounts.subPath",
        'Invalid value: "/x": must be a relative path',
    ),
    (
        main(volumeMounts=[{"name": "a", "mountPath": "/a", "subPath": "../x"}]) | A,
        "spec.containers[0].volumeMounts.subPath",
        "must not contain '..'",
    ),
    (
        main(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        "spec.containers[0].resources.requests",
        'Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        main(resources={"requests": {"cpu": "-2"}}),
        "spec.containers[0].resources.requests[cpu]",
        'Invalid value: "-2": must be greater than or equal to 0',
    ),
    (
        main(resources={"requests": {"foo": "1"}}),
        "spec.containers[0].resources.requests[foo]",
        "must be a standard resource type or fully qualified",
    ),
    (
        main(resources={"requests": {"example.org/gpu": "1"}}),
        "spec.containers[0].resources.limits",
        "Required value: Limit must be set for non overcommitable resources",
    ),
    (main(ports=[{"containerPort": 0}]), "spec.containers[0].ports[0].containerPort", "Required value"),
    (
        main(ports=[{"containerPort": 70000}]),
        "spec.containers[0].ports[0].containerPort",
        "must be between 1 and 65535, inclusive",
    ),
    (
        main(ports=[{"containerPort": 1, "name": "notebook-port-name"}]),
        "spec.containers[0].ports[0].name",
        "must be no more than 15 characters",
    ),
    (main(env=[{"name": ""}]), "spec.containers[0].env[0].name", "Required value"),
    (main(env=[{"name": "a=b"}]), "spec.containers[0].env[0].name", "a valid environment variable name"),
    (
        main(env=[{"name": "a", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        "spec.containers[0].env[0].valueFrom",
        "may not be specified when `value` is not empty",
    ),
    (
        main(imagePullPolicy="x"),
        "spec.containers[0].imagePullPolicy",
        'Unsupported value: "x": supported values: "Always", "IfNotPresent", "Never"',
    ),
    (
        main(lifecycle={"postStart": {}}),
        "spec.containers[0].lifecycle.postStart",
        "Required value: must specify a handler type",
    ),
    (
        {"restartPolicy": "X"},
        "spec.restartPolicy",
        'Unsupported value: "X": supported values: "Always", "OnFailure", "Never"',
    ),
    (
        {"tolerations": [{"key": "a", "operator": "X"}]},
        "spec.tolerations[0].operator",
        'Unsupported value: "X": supported values: "Equal", "Exists"',
    ),
    (
        {"tolerations": [{"operator": "Equal"}]},
        "spec.tolerations[0].operator",
        "operator must be Exists when `key` is empty",
    ),
    (
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        "spec.tolerations[0].operator",
        "value must be empty when `operator` is 'Exists'",
    ),
    (
        {"tolerations": [{"key": "a", "effect": "Foo"}]},
        "spec.tolerations[0].effect",
        'Unsupported value: "Foo": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ),
    (
        {"tolerations": [{"key": "a", "tolerationSeconds": 5}]},
        "spec.tolerations[0].effect",
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
    ),
    ({"nodeSelector": {"a b": "c"}}, "spec.nodeSelector", PART),
    ({"nodeName": "A_B"}, "spec.nodeName", SUBDOMAIN),
    ({"hostname": "A_b"}, "spec.hostname", LABEL),
    (
        {"securityContext": {"runAsUser": -1}},
        "spec.securityContext.runAsUser",
        "must be between 0 and 2147483647, inclusive",
    ),
    (
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
        REQUIRED,
        "Required value: must have at least one node selector term",
    ),
    (
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "X"}]}]
                    }
                }
            }
        },
        f"{REQUIRED}[0].matchExpressions[0].operator",
        "not a valid selector operator",
    ),
    (
        {
            "affinity": {
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "preference": {}}]}
            }
        },
        "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight",
        "Invalid value: 0: must be in the range 1-100",
    ),
]


@pytest.mark.parametrize(("spec", "field", "message"), SPECS)
async def test_bad_specs_are_refused(cluster: Cluster, spec: dict, field: str, message: str) -> None:
    """A pod that cannot work is refused, with the field and the rule."""
    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one", spec=spec), dryRun="All")

    assert (refusal.code, refusal.reason) == (422, "Invalid")
    assert refusal.causes[0][0] == field
    assert message in refusal.causes[0][1]


async def test_all_complaints_at_once(cluster: Cluster) -> None:
    """Everything wrong with a pod is told in one answer."""
    spec = main(image="", env=[{"name": ""}]) | {"volumes": [{"name": "a"}, {"name": "a"}]}
    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one", spec=spec))

    fields = [field for field, _ in refusal.causes]
    assert sorted(fields) == [
        "spec.containers[0].env[0].name",
        "spec.containers[0].image",
        "spec.volumes[1].name",
    ]
    assert refusal.message.startswith('Pod "one" is invalid: [')


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priorityClassName": "jhaws-none"}, "no PriorityClass with name jhaws-none was found"),
        (
            {"priority": 5},
            "the integer value of priority (5) must not be provided in pod spec; "
            "priority admission controller computed 0 from the given PriorityClass name",
        ),
        (
            {"serviceAccountName": "none"},
            'error looking up service account NAMESPACE/none: serviceaccount "none" not found',
        ),
    ],
)
async def test_policies_forbid(cluster: Cluster, spec: dict, why: str) -> None:
    """A PriorityClass or ServiceAccount that is not there is 403, in the words people search for."""
    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one", spec=spec))

    assert (refusal.code, refusal.reason) == (403, "Forbidden")
    assert refusal.message == f'pods "one" is forbidden: {why.replace("NAMESPACE", cluster.namespace)}'
    assert refusal.details == {"name": "one", "kind": "pods"}


async def test_priority_comes_from_its_class(cluster: Cluster) -> None:
    """A pod has the priority and preemption policy of the class it names."""
    scheduling = client.SchedulingV1Api(cluster.api)
    name = cluster.namespace
    await scheduling.create_priority_class({"metadata": {"name": name}, "value": -7, "preemptionPolicy": "Never"})
    try:
        pod = await cluster.create_pod("one", spec={"priorityClassName": name})
    finally:
        await scheduling.delete_priority_class(name)

    assert pod["spec"]["priority"] == -7
    assert pod["spec"]["preemptionPolicy"] == "Never"
    pod = await cluster.create_pod("two", spec={"priorityClassName": "system-node-critical"})
    assert pod["spec"]["priority"] == 2000001000
