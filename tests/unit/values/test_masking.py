"""What is never shown."""

import json
from pathlib import Path

import pytest
import yaml

from jhaws.values.explaining import as_record, choose, explain
from jhaws.values.masking import MASK, looks_secret, masked
from tests.unit.values.test_merging import merge_texts


@pytest.mark.parametrize(
    "key",
    """
    hub.db.url hub.db.password hub.cookieSecret hub.extraConfig.own hub.extraFiles.own.stringData hub.extraEnv.OWN
    hub.services.own.apiToken hub.config.JupyterHub.db_url hub.config.JupyterHub.proxy_auth_token
    hub.config.JupyterHub.cookie_secret hub.config.CryptKeeper.keys hub.config.ConfigurableHTTPProxy.auth_token
    hub.config.LDAPAuthenticator.bind_pw hub.config.LDAPAuthenticator.bindPw hub.config.MyAuthenticator.client_secret
    hub.config.LTI11Authenticator.consumers.own hub.config.SharedPasswordAuthenticator.user_password
    hub.config.JhawsSpawner.environment.OWN hub.config.JhawsSpawner.git_repos hub.config.JhawsAuthenticator.pasword
    hub.config.JhawsAuthenticator.password_groups.own hub.config.JhawsAuthenticator.password_grups.own
    proxy.secretToken proxy.https.manual.key proxy.https.manual.cert singleuser.extraEnv.OWN imagePullSecret.password
    custom.passwd custom.pwd custom.apikey custom.APIKey custom.api_key custom.privateKey custom.passphrase custom.pass
    custom.toekn custom.credentials custom.aws_secret_access_key custom.dsn custom.env custom.headers.Authorization
    """.split(),
)
@pytest.mark.parametrize("value", ["hunter2", 31415926, ["hunter2"], {"a": "hunter2"}, [{"hunter2": 1}]])
def test_a_secret_by_its_name_is_masked(tmp_path: Path, key: str, value: object) -> None:
    """Whatever z2jh, JupyterHub, its authenticators and operators call a secret, misspelt too, is hidden."""
    values = value
    for part in reversed(key.split(".")):
        values = {part: values}
    settings = choose(merge_texts(tmp_path, yaml.safe_dump(values)), "")
    shown = "\n".join(explain(settings, whole=True)) + json.dumps([as_record(each) for each in settings])

    assert MASK in shown
    assert "hunter2" not in shown
    assert "31415926" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ada:hunter2@db/x",
        "https://hunter2@github.com/x",
        "jupyterhub --token=hunter2",
        "mysql --password hunter2",
        "git clone https://ada:hun/ter2@github.com/x",
        "password = hunter2",
        '{"password": "hunter2"}',
        "PGPASSWORD=hunter2 psql",
        "db_pw=hunter2",
        "api-key: hunter2",
        "Authorization: token hunter2",
        "Bearer hunter2",
        "-----BEGIN RSA PRIVATE KEY-----",
        "ghp_hunter2",
        "github_pat_hunter2",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1.hunter2",
        "0123456789abcdef0123456789abcdef",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_text_that_looks_like_a_secret_is_masked(text: str) -> None:
    """A secret within a command, an address or a script is hidden with all of it."""
    assert looks_secret(text)
    assert masked(("custom", "a"), text) == MASK
    assert masked(("custom", "a"), [f"two\n{text}"]) == [f"{MASK} (2 lines)"]


@pytest.mark.parametrize(
    "text",
    [
        "registry.example.org/jhaws-hub:0.1.0",
        f"a@sha256:{'0123456789abcdef' * 4}",
        "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com",
        "arn:aws:iam::123456789012:role/{username}-role",
        "hub.jupyter.org/dedicated=user:NoSchedule",
        "https://hub.example.org/hub/oauth_callback",
        "admin@example.org",
        "spawn",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    """Images, addresses, roles and taints are what `explain` is for."""
    assert masked(("custom", "a"), text) == text


@pytest.mark.timeout(60)  # looked at so it takes a second; with such a pattern it would take hours
def test_long_text_is_looked_at_at_once() -> None:
    """No text makes the patterns try each of its characters against all others."""
    for text in ("x" * 200_000, "-" * 200_000, "_" * 200_000, f"://{':' * 200_000}", "X1" * 100_000):
        assert not looks_secret(text)


def test_parts_of_a_value_are_masked(tmp_path: Path) -> None:
    """A variable's value, what follows an option for a password, and a password as a key; the rest stays."""
    value = {
        "command": ["start", "--password", "hunter2", "--port", 8888],
        "pairs": [{"name": "A", "value": "hunter2"}],
        "https://u:hunter2@x/y": 1,
        "services": [{"name": "a", "api_token": "hunter2", "admin": True}],
    }

    assert masked(("custom",), value) == {
        "command": ["start", "--password", MASK, "--port", 8888],
        "pairs": [{"name": "A", "value": MASK}],
        MASK: 1,
        "services": [{"name": "a", "api_token": MASK, "admin": True}],
    }


def test_a_script_is_told_by_its_lines(tmp_path: Path) -> None:
    """Of extraConfig and extraFiles nothing is shown but how long they are, and of a switch what it is."""
    text = "hub:\n  extraConfig:\n    a: |\n      x = 1\n      y = 2\nimagePullSecret: {create: true}\n"
    told = [line.split("  ")[1] for line in explain(choose(merge_texts(tmp_path, text), ""), whole=False)]

    assert told == [f"hub.extraConfig.a: {MASK} (2 lines)", "imagePullSecret.create: true"]
