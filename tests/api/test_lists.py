"""Lists: selectors, pages, versions."""

from __future__ import annotations

import pytest

from tests.api.cluster import Cluster, refused


async def fill(cluster: Cluster) -> None:
    """Create pods whose labels differ."""
    await cluster.create_pod("a", labels={"app": "hub", "tier": "1"})
    await cluster.create_pod("b", labels={"app": "proxy", "tier": "2"})
    await cluster.create_pod("c", labels={"app": "hub", "tier": "3", "old": ""})
    await cluster.create_pod("d")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", "abcd"),
        ("app=hub", "ac"),
        ("app==hub", "ac"),
        ("app = hub , tier = 1", "a"),
        ("app!=hub", "bd"),
        ("app in (hub,proxy)", "abc"),
        ("app in ( hub )", "ac"),
        ("app notin (hub)", "bd"),
        ("app", "abc"),
        ("!app", "d"),
        ("! old", "abd"),
        ("old=", "c"),
        ("app=hub,!old", "a"),
        ("tier>1", "bc"),
        ("tier<3,app", "ab"),
        ("app in (hub,)", "ac"),
        ("nothing=here", ""),
    ],
)
async def test_label_selectors(cluster: Cluster, selector: str, names: str) -> None:
    """A label selector shows the objects that keep all its rules."""
    await fill(cluster)
    found = await cluster.core.list_namespaced_pod(cluster.namespace, label_selector=selector)

    assert "".join(pod.metadata.name for pod in found.items) == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("metadata.name=b", "b"),
        ("metadata.name!=b", "acd"),
        ("status.phase=Pending", "abcd"),
        ("status.phase!=Pending", ""),
        ("spec.nodeName=", "abcd"),
        ("spec.nodeName=x", ""),
        ("spec.restartPolicy==Always,metadata.name=a", "a"),
        ("spec.schedulerName=nobody", "abcd"),
        ("spec.serviceAccountName=default", "abcd"),
        ("metadata.namespace=elsewhere", ""),
    ],
)
async def test_field_selectors(cluster: Cluster, selector: str, names: str) -> None:
    """A field selector shows the objects whose fields have these values."""
    await fill(cluster)
    found = await cluster.core.list_namespaced_pod(cluster.namespace, field_selector=selector)

    assert "".join(pod.metadata.name for pod in found.items) == names


async def test_event_field_selectors(cluster: Cluster) -> None:
    """Events can be selected by what they are about."""
    for name, kind in (("one", "Pod"), ("two", "Pod"), ("one", "Node")):
        await cluster.core.create_namespaced_event(
            cluster.namespace,
            {
                "metadata": {"generateName": "e-"},
                "involvedObject": {"kind": kind, "name": name, "namespace": cluster.namespace},
                "reason": "Testing",
                "type": "Normal",
            },
        )

    selector = "involvedObject.kind=Pod,involvedObject.name=one,reason=Testing,type!=Warning"
    found = await cluster.core.list_namespaced_event(cluster.namespace, field_selector=selector)
    assert [event.involved_object.name for event in found.items] == ["one"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"fieldSelector": "spec.foo=x"}, "field label not supported: spec.foo"),
        ({"fieldSelector": "x"}, "invalid selector: 'x'; can't understand 'x'"),
        ({"labelSelector": "a=b=c"}, "found '=', expected: ',' or 'end of string'"),
        ({"labelSelector": "a in ("}, "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ({"labelSelector": "a b"}, "unable to parse requirement: found 'b', expected: "),
        ({"labelSelector": "a,"}, ""),
        ({"labelSelector": "a=-"}, "unable to parse requirement: "),
        ({"limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"continue": "x"}, "invalid continue token"),
        ({"continue": "e30"}, "invalid continue token"),
        ({"resourceVersion": "x"}, "invalid resource version: "),
        ({"watch": "1", "timeoutSeconds": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"watch": "1", "fieldSelector": "spec.foo=x"}, "field label not supported: spec.foo"),
    ],
)
async def test_bad_queries_are_refused(cluster: Cluster, query: dict[str, str], message: str) -> None:
    """A query that cannot be read is 400, never an unfiltered list."""
    refusal = await cluster.refuse("GET", cluster.pods, **query)

    assert (refusal.code, refusal.reason) == (400, "BadRequest")
    assert message in refusal.message


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Foo", "resourceVersion": "1"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, "resourceVersionMatch"),
        ({"sendInitialEvents": "true"}, "sendInitialEvents"),
        ({"watch": "1", "sendInitialEvents": "true"}, "resourceVersionMatch"),
        ({"watch": "1", "resourceVersionMatch": "NotOlderThan"}, "resourceVersionMatch"),
        (
            {"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "Exact"},
            "resourceVersionMatch",
        ),
    ],
)
async def test_contradicting_queries_are_refused(cluster: Cluster, query: dict[str, str], field: str) -> None:
    """Parameters that do not go together are 422, with the parameter as cause."""
    refusal = await cluster.refuse("GET", cluster.pods, **query)

    assert (refusal.code, refusal.reason) == (422, "Invalid")
    assert field in [cause[0] for cause in refusal.causes]


async def test_list_carries_its_kind_once(cluster: Cluster) -> None:
    """The list has kind and version, its items have none."""
    await cluster.create_pod("a")
    code, found = await cluster.call("GET", cluster.pods)

    assert code == 200
    assert (found["kind"], found["apiVersion"]) == ("PodList", "v1")
    assert int(found["metadata"]["resourceVersion"]) > 0
    assert [item["metadata"]["name"] for item in found["items"]] == ["a"]
    assert not {"kind", "apiVersion"} & set(found["items"][0])


async def test_list_of_all_namespaces(cluster: Cluster) -> None:
    """Without a namespace the objects of all are listed, and can be selected by namespace."""
    await cluster.create_pod("a")
    found = await cluster.core.list_pod_for_all_namespaces(field_selector=f"metadata.namespace={cluster.namespace}")

    assert [(pod.metadata.namespace, pod.metadata.name) for pod in found.items] == [(cluster.namespace, "a")]


async def test_list_of_missing_namespace_is_empty(cluster: Cluster) -> None:
    """A namespace that is not there has no pods; that is no error."""
    found = await cluster.core.list_namespaced_pod("jhaws-no-such")

    assert found.items == []


async def test_pages_show_one_version(cluster: Cluster) -> None:
    """What changes between the pages is not seen: all of them show the first one's version."""
    for name in "abcde":
        await cluster.create_pod(name)
    core, names = cluster.core, []
    page = await core.list_namespaced_pod(cluster.namespace, limit=2)
    version = page.metadata.resource_version
    assert page.metadata.remaining_item_count == 3
    await core.delete_namespaced_pod("d", cluster.namespace)
    await core.delete_namespaced_pod("a", cluster.namespace)
    await cluster.create_pod("f")
    await cluster.call("PATCH", f"{cluster.pods}/c", {"metadata": {"labels": {"x": "y"}}}, kind=MERGE)

    pages = [page]
    while page.metadata._continue:
        page = await core.list_namespaced_pod(cluster.namespace, limit=2, _continue=page.metadata._continue)
        pages.append(page)

    names = ["".join(pod.metadata.name for pod in page.items) for page in pages]
    assert names == ["ab", "cd", "e"]
    assert {page.metadata.resource_version for page in pages} == {version}
    assert pages[1].items[0].metadata.labels is None
    assert pages[-1].metadata.remaining_item_count is None
    now = await core.list_namespaced_pod(cluster.namespace)
    assert [pod.metadata.name for pod in now.items] == ["b", "c", "e", "f"]


MERGE = "application/merge-patch+json"


async def test_pages_of_selected_objects(cluster: Cluster) -> None:
    """The limit counts what is shown; how much is left is not told then."""
    for index, name in enumerate("abcdef"):
        await cluster.create_pod(name, labels={"even": str(index % 2 == 0).lower()})
    page = await cluster.core.list_namespaced_pod(cluster.namespace, limit=2, label_selector="even=true")
    assert [pod.metadata.name for pod in page.items] == ["a", "c"]
    assert page.metadata.remaining_item_count is None

    page = await cluster.core.list_namespaced_pod(
        cluster.namespace, limit=2, label_selector="even=true", _continue=page.metadata._continue
    )
    assert [pod.metadata.name for pod in page.items] == ["e"]
    assert not page.metadata._continue


async def test_exact_page_has_no_next(cluster: Cluster) -> None:
    """A page that ends with the last object leads nowhere."""
    for name in "ab":
        await cluster.create_pod(name)
    page = await cluster.core.list_namespaced_pod(cluster.namespace, limit=2)

    assert not page.metadata._continue


async def test_list_at_a_version(cluster: Cluster) -> None:
    """An exact version shows what was then; "not older" shows what is now."""
    first = await cluster.create_pod("a")
    await cluster.create_pod("b")
    version = first["metadata"]["resourceVersion"]

    then = await cluster.core.list_namespaced_pod(
        cluster.namespace, resource_version=version, resource_version_match="Exact"
    )
    assert [pod.metadata.name for pod in then.items] == ["a"]
    assert then.metadata.resource_version == version
    for query in ({"resource_version_match": "NotOlderThan"}, {}):
        now = await cluster.core.list_namespaced_pod(cluster.namespace, resource_version=version, **query)
        assert [pod.metadata.name for pod in now.items] == ["a", "b"]


async def test_list_of_future_version_times_out(cluster: Cluster) -> None:
    """A version that has not happened is 504 with the cause clients look for."""
    refusal = await refused(cluster.core.list_namespaced_pod(cluster.namespace, resource_version="9000000000000000"))

    assert (refusal.code, refusal.reason) == (504, "Timeout")
    assert "Too large resource version: 9000000000000000, current: " in refusal.message
    assert refusal.details["causes"][0]["reason"] == "ResourceVersionTooLarge"
