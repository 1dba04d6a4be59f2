import json
from pathlib import Path

import pytest
from kubernetes_asyncio import client

from jhaws.services.placeholder.kubeapi import connect, explain
from jhaws.services.running import TryAgainError


def refuse(status: int, message: str) -> TryAgainError:
    """Explain an answer of the API server to a create."""
    error = client.ApiException(status=status, reason="Reason")
    error.body = json.dumps({"kind": "Status", "message": message}).encode() if message else b"<html>"
    return explain(error, "create pods", namespace="jh", priority_class="low")


@pytest.mark.parametrize(
    ("status", "message", "says", "retry_seconds"),
    [
        (403, 'pods "x" is forbidden: no PriorityClass with name low was found', "no PriorityClass 'low'", 300),
        (403, 'pods is forbidden: User "hub" cannot create resource', "ServiceAccount may not create pods", 300),
        (401, "Unauthorized", "ServiceAccount may not create pods", 300),
        (403, 'pods "x" is forbidden: exceeded quota: compute', "quota of namespace 'jh'", 300),
        (404, 'namespaces "jh" not found', "(404): namespaces", 300),
        (422, "Invalid value", "(422): Invalid value.", 300),
        (409, "the name is taken", "could not create pods (409)", None),
        (429, "too many requests", "could not create pods (429)", None),
        (500, "", "could not create pods (500): Reason.", None),
        (503, "x" * 5000, "(503): " + "x" * 200 + ".", None),
    ],
)
def test_every_refusal_is_a_sentence(status: int, message: str, says: str, retry_seconds: float | None) -> None:
    """What an operator must mend is tried again after 5 minutes, what mends itself by the back-off."""
    problem = refuse(status, message)

    assert says in str(problem)
    assert problem.retry_seconds == retry_seconds


async def fail_to_connect(environ: dict[str, str]) -> str:
    """Return the sentence with which a connection is refused."""
    with pytest.raises(TryAgainError) as caught:
        async with connect(environ):
            pass
    assert caught.value.retry_seconds == 300
    return str(caught.value)


async def test_no_cluster_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside a cluster and without KUBECONFIG the service stays off, whatever is in the home folder."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(KUBECONFIG)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert "no way to Kubernetes" in await fail_to_connect({})


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: secret-token}}]
"""


@pytest.mark.parametrize(
    "text", ["", "users: [secret-token", "secret-token", KUBECONFIG.replace("cluster: here,", "cluster: there,")]
)
async def test_a_broken_kubeconfig_is_a_sentence_without_its_secrets(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with the file, the sentence does not quote it."""
    path = tmp_path / "config"
    path.write_text(text)

    assert "secret-token" not in await fail_to_connect({"KUBECONFIG": str(path)})


async def test_a_missing_kubeconfig_is_a_sentence(tmp_path: Path) -> None:
    """A file that is not there is named as no way to Kubernetes."""
    assert "no way to Kubernetes" in await fail_to_connect({"KUBECONFIG": str(tmp_path / "none")})


async def test_a_kubeconfig_connects(tmp_path: Path) -> None:
    """KUBECONFIG leads to its cluster, also inside another one."""
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)

    environ = {"KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    async with connect(environ) as api:
        assert api.configuration.host == "http://127.0.0.1:1"
