"""What is wrong with values, in sentences."""

import re
from pathlib import Path

import pytest
import yaml
from jupyterhub.app import JupyterHub
from kubespawner import KubeSpawner
from traitlets.config import Config

from jhaws.errors import ConfigError
from jhaws.options import check_options
from jhaws.values import renames
from jhaws.values.checking import check
from jhaws.values.places import Problem
from jhaws.values.reading import read_source
from jhaws.values.renames import RENAMES, Rename, find_rename
from jhaws.values.schema import CLASSES
from tests.unit.values.test_merging import merge_texts

DATA = Path(__file__).parent / "data"
# What a z2jh schema is made of, as far as our rules look at it.
SCHEMA = {
    "properties": {
        "hub": {"additionalProperties": False, "properties": {"config": {}, "baseUrl": {"type": "string"}, "uid": {}}},
        "rbac": {"properties": {"create": {}, "enabled": {}}},
        "ingress": {
            "properties": {"extraPaths": {}, "hosts": {"type": "array"}, "tls": {"type": ["array", "object"]}},
        },
        "httpRoute": {"properties": {"gateway": {}}},
        "cull": {"type": "object", "required": ["enabled"], "properties": {"timeout": {"type": "integer"}}},
        "proxy": {
            "type": "object",
            "properties": {
                "secretToken": {"type": "string", "pattern": r"^\S+$"},
                "type": {"enum": ["a", "b"]},
                "chp": {"type": "boolean"},
                "labels": {"propertyNames": {"maxLength": 9}},
                "db": {"anyOf": [{"required": ["url"]}]},
            },
        },
        "custom": {},
    },
    "additionalProperties": False,
}


def check_text(folder: Path, *texts: str, schema: dict | None = None) -> list[Problem]:
    return check(merge_texts(folder, *texts), schema)


def told(problems: list[Problem]) -> list[tuple[int, str]]:
    return [(each.place.line, each.key) for each in problems]


def config(text: str) -> str:
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    return f"hub:\n  config:\n{lines}"


@pytest.mark.parametrize(
    ("text", "line", "key", "sentence"),
    [
        ("JhawsSpwaner: {}", 3, "JhawsSpwaner", "Did you mean 'JhawsSpawner'"),
        ("jhawsSpawner: {}", 3, "jhawsSpawner", "begins with a capital; with 'jhawsSpawner' the hub ends. Write Jhaws"),
        ("loadRoles: {}", 3, "loadRoles", "z2jh's own values belong one or two levels further out"),
        ("JhawsSpawner:\n  nfs_sever: x", 4, "JhawsSpawner.nfs_sever", "Did you mean 'nfs_server'"),
        ("JhawsSpawner:\n  shares:\n  - name: a\n    mount: b", 6, "JhawsSpawner.shares[0].mount", "absolute path"),
        ("JhawsSpawner:\n  shares: data", 4, "JhawsSpawner.shares", "must be a list or a dict, got str 'data'"),
        ("JhawsSpawner:\n  nfs_server:", 4, "JhawsSpawner.nfs_server", "must be a unicode string, got NoneType"),
        ("JhawsSpawner: nfs", 3, "JhawsSpawner", "The section 'JhawsSpawner' must be a mapping of options, got a str."),
        ("JupyterHub: 5", 3, "JupyterHub", "The section 'JupyterHub' must be a mapping of options"),
        ("JhawsSpawner:\n  nodegroup: b", 4, "JhawsSpawner.nodegroup", "must be one of|No nodegroup 'b'"),
        ("JhawsCuller:\n  timeout: 1h", 4, "JhawsCuller.timeout", "must be an int, got str '1h'"),
        ("JhawsAuthenticator:\n  admin_users: [1]", 4, "JhawsAuthenticator.admin_users", "write it in quotes"),
        ("JhawsAuthenticator:\n  user_password: 12345678", 4, "JhawsAuthenticator.user_password", "in quotes, since"),
        ("JhawsAuthenticator:\n  whitelist: [a]", 4, "JhawsAuthenticator.whitelist", "Write .*allowed_users"),
        ("JhawsSpawner:\n  singleuser_uid: 5", 4, "JhawsSpawner.singleuser_uid", "Write .*JhawsSpawner.uid"),
        ("JhawsSpawner:\n  nodegroups: {a: {}}\n  nodegroup: b", 4, "JhawsSpawner.nodegroups", "No nodegroup 'b'"),
        (
            "JhawsSpawner:\n  nodegroups: {a: {}}\n  profile_list: [{display_name: A, nodegroup: b}]",
            5,
            "JhawsSpawner.profile_list",
            "The profile 'A' names the nodegroup 'b'",
        ),
        (
            f"JhawsAuthenticator:\n  user_password: {'x' * 32}\n  admin_password: {'x' * 32}",
            4,
            "JhawsAuthenticator.user_password",
            "must not hold the same password",
        ),
        ("JhawsAuthenticator:\n  admin_users: ['a/b']", 4, "JhawsAuthenticator.admin_users", "'a/b'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_key(tmp_path: Path, text: str, line: int, key: str, sentence: str) -> None:
    """Each way to get a section of the hub's configuration wrong is one problem, where it was written."""
    problems = check_text(tmp_path, config(text))

    assert told(problems) == [(line, f"hub.config.{key}")]
    assert problems[0].serious
    assert re.search(sentence, problems[0].sentence)


def test_what_not_even_the_hub_expects_is_no_traceback(tmp_path: Path) -> None:
    """JupyterHub fails on a list of lists of names; the schema says where."""
    problems = check_text(tmp_path, config("JhawsAuthenticator:\n  admin_users: [[a]]"))

    assert [each.key for each in problems] == ["hub.config", "hub.config.JhawsAuthenticator.admin_users[0]"]
    assert "The hub ends at its start with a TypeError" in problems[0].sentence
    assert "It must be text" in problems[1].sentence


def test_the_sentences_are_the_hubs_own(tmp_path: Path) -> None:
    """Who reads the check and then the hub's log reads the same."""
    sections = {"JhawsSpwaner": {}, "JhawsSpawner": {"nfs_sever": 1, "nfs_home": "x"}, "JhawsCuller": {"every": 0}}
    with pytest.raises(ConfigError) as caught:
        check_options(Config(sections), CLASSES, (JupyterHub, KubeSpawner))
    problems = check_text(tmp_path, yaml.safe_dump({"hub": {"config": sections}}))

    assert sorted(each.sentence for each in problems) == sorted(str(caught.value).splitlines())


def test_a_mistake_is_told_in_the_file_that_made_it(tmp_path: Path) -> None:
    """Of several files it is the one whose value counts."""
    good, bad = config("JhawsSpawner: {nfs_path: /a}"), config("JhawsSpawner: {nfs_path: a}")

    assert check_text(tmp_path, bad, good) == []
    assert [each.place.file[-6:] for each in check_text(tmp_path, good, bad)] == ["2.yaml"]


def test_what_a_later_file_replaced_is_not_told(tmp_path: Path) -> None:
    """A slip in a mapping that another file takes away hurts nobody."""
    assert check_text(tmp_path, "custom: {JhawsCuller: {timeout: 1}}\n", "custom: null\n") == []


def test_what_only_the_hub_knows_is_a_warning(tmp_path: Path) -> None:
    """An authenticator of the hub's image is not here, z2jh's PriorityClass neither: that is no mistake."""
    text = config("JupyterHub: {authenticator_class: nowhere.Authenticator}\nJhawsPlaceholder: {seats: 1}")
    problems = check_text(tmp_path, text + "scheduling: {podPriority: {enabled: true}}\n")

    assert [(each.key, each.serious) for each in problems] == [("hub.config.JupyterHub.authenticator_class", False)]


def test_an_authenticator_that_lacks_a_package_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is installed without what it needs counts as one that is not installed, and so does an empty name."""
    metadata = tmp_path / "broken-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[jupyterhub.authenticators]\nbroken = broken:Broken\n")
    (tmp_path / "broken.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)

    for name in ("broken", "''"):
        problems = check_text(tmp_path, config(f"JupyterHub: {{authenticator_class: {name}}}"))
        assert [(each.key[-19:], each.serious) for each in problems] == [("authenticator_class", False)]


def test_the_hubs_warnings_are_warnings(tmp_path: Path) -> None:
    """Placeholders without a PriorityClass, and a password for an authenticator that is not used."""
    problems = check_text(tmp_path, config("JhawsPlaceholder: {seats: 1}\nDummyAuthenticator: {password: a}"))

    assert [each.key for each in problems if not each.serious] == [
        "hub.config.JhawsPlaceholder.seats",
        "hub.config.DummyAuthenticator",
    ]
    assert len(problems) == 2


def test_what_is_switched_off_is_not_asked(tmp_path: Path) -> None:
    """`custom.jhaws` is read as the hub reads it, and a slip in it is told."""
    text = config("JhawsPlaceholder: {seats: 1}")

    assert check_text(tmp_path, text + "custom: {jhaws: false}\n") == []
    assert told(check_text(tmp_path, "custom:\n  jhaws:\n    cullr: false\n")) == [(3, "custom.jhaws.cullr")]
    assert told(check_text(tmp_path, "custom: {jhaws: 5}\n")) == [(1, "custom.jhaws")]


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ("singelsuer: {}", "singelsuer", "Did you mean 'singleuser'?"),
        ("Hub: {}", "Hub", "The chart has no key 'Hub'. Did you mean 'hub'?"),
        ("hunter2hunter2: {}", "******", "The chart has no such key. Take it out"),
        ("JhawsSpawner: {}", "JhawsSpawner", "Write hub.config.JhawsSpawner."),
        ("GitHubOAuthenticator: {}", "GitHubOAuthenticator", "Write hub.config.GitHubOAuthenticator."),
        ("custom: {Jhaws: false}", "custom.Jhaws", "Nothing reads custom.Jhaws, and all of jhaws is used."),
        ("custom: {jhwas: false}", "custom.jhwas", "Write custom.jhaws."),
        ("hub: {JhawsCuller: {}}", "hub.JhawsCuller", "Write hub.config.JhawsCuller."),
        ("jhaws: false", "jhaws", "Write custom.jhaws."),
        ("hub: {config: 5}", "hub.config", "hub.config must be a mapping"),
        ("hub: 5", "hub", "It must be a mapping or null, got a whole number. Write its keys below it"),
        ("singleuser: {extraEnv: {A: {b: 1}}}", "singleuser.extraEnv.A", "Indent it less, to make it singleuser.A."),
    ],
)
def test_a_key_that_nobody_reads_is_told(tmp_path: Path, text: str, key: str, sentence: str) -> None:
    """What Helm would take in silence, or refuse with a pattern, has a right place."""
    problems = check_text(tmp_path, text + "\n")

    assert told(problems) == [(1, key)]
    assert sentence in problems[0].sentence


def test_a_variable_with_a_source_is_one(tmp_path: Path) -> None:
    """Kubernetes' own form of a variable is no slip of indentation."""
    text = "singleuser: {extraEnv: {A: {valueFrom: {fieldRef: {fieldPath: metadata.name}}}, B: {value: x}, C: y}}\n"

    assert check_text(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("scheduling: {userPlaceholder: {replicas: 1}}", ["scheduling.userPlaceholder.replicas"]),
        ("scheduling: {userPlaceholder: {replicas: 1}, podPriority: {enabled: true}}", []),
        ("proxy: {https: {hosts: [a]}}", ["proxy.https"]),
        ("proxy: {https: {hosts: [a], enabled: true}}", []),
        ("hub: {config: {JhawsSpawner: {iam_roles: [{role: a}]}}}", ["hub.config.JhawsSpawner.iam_roles"]),
        ("hub: {config: {JhawsSpawner: {iam_roles: {x: {role: a}}}}}", ["hub.config.JhawsSpawner.iam_roles"]),
        ("hub: {config: {JhawsSpawner: {iam_roles: [{service_account: a}]}}}", []),
        (
            "singleuser: {extraAnnotations: {iam.amazonaws.com/role: a}}",
            ["singleuser.extraAnnotations['iam.amazonaws.com/role']"],
        ),
        (
            "singleuser: {extraAnnotations: {iam.amazonaws.com/role: a}, cloudMetadata: {blockWithIptables: false}}",
            [],
        ),
        ("hub: {db: {password: replace-me}}", ["hub.db.password"]),
        ("hub: {db: {password: of-our-own}}", []),
    ],
)
def test_values_that_do_not_fit_each_other_are_warned_of(tmp_path: Path, text: str, keys: list[str]) -> None:
    """What the chart and the hub take and what then does not work."""
    problems = check_text(tmp_path, text + "\n")

    assert [each.key for each in problems] == keys
    assert not any(each.serious for each in problems)


def test_an_image_without_jhaws_is_a_problem(tmp_path: Path) -> None:
    """z2jh's own hub image would ignore every option of jhaws without a word."""
    image = "image: {name: quay.io/jupyterhub/k8s-hub, tag: 4.4.0}"
    problems = check_text(tmp_path, f"hub: {{{image}, config: {{JhawsCuller: {{timeout: 60}}}}}}\n")

    assert [(each.key, each.serious) for each in problems] == [("hub.image.name", True)]
    assert "ignore JhawsCuller" in problems[0].sentence
    assert check_text(tmp_path, f"hub: {{{image}}}\n") == []


def test_two_kinds_of_placeholders_are_warned_of(tmp_path: Path) -> None:
    """z2jh's and ours would keep each place twice."""
    text = config("JhawsPlaceholder: {seats: 1}")
    text += "scheduling: {podPriority: {enabled: true}, userPlaceholder: {replicas: 1}}\n"

    assert "keep places twice" in check_text(tmp_path, text)[0].sentence


def test_placeholders_without_their_priorityclass_are_warned_of(tmp_path: Path) -> None:
    """The chart makes that class only where its own placeholders are enabled, be they none."""
    text = "scheduling: {podPriority: {enabled: true}, userPlaceholder: {enabled: false}}\n"

    assert [each.key for each in check_text(tmp_path, config("JhawsPlaceholder: {seats: 1}") + text)] == [
        "scheduling.userPlaceholder.enabled"
    ]
    own = config("JhawsPlaceholder: {seats: 1, priority_class: low}")
    assert check_text(tmp_path, own + text) == []


def test_what_the_chart_refuses_is_a_problem(tmp_path: Path) -> None:
    """Opening the metadata address in the policy while iptables close it fails in the chart."""
    text = "singleuser: {networkPolicy: {egressAllowRules: {cloudMetadataServer: true}}}\n"

    assert [each.serious for each in check_text(tmp_path, text)] == [True]
    assert check_text(tmp_path, text, "singleuser: {cloudMetadata: {blockWithIptables: false}}\n") == []


def test_an_opened_address_without_a_policy_is_warned_of(tmp_path: Path) -> None:
    """The chart takes it where it makes no NetworkPolicy, but then the address stays closed."""
    text = "singleuser: {networkPolicy: {enabled: false, egressAllowRules: {cloudMetadataServer: true}}}\n"
    problems = check_text(tmp_path, text)

    assert [(each.key[-19:], each.serious) for each in problems] == [("cloudMetadataServer", False)]
    assert "without singleuser.networkPolicy.enabled there is no policy" in problems[0].sentence
    assert check_text(tmp_path, text, "singleuser: {cloudMetadata: {blockWithIptables: false}}\n") == []


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ("memory: {limit: 2X}", "memory.limit", "2X is not a valid memory specification"),
        ("cpu: {limit: two}", "cpu.limit", "must be a float, got str 'two'"),
        ("cpu: {guarantee: one}", "cpu.guarantee", "must be a float, got str 'one'"),
        ("startTimeout: soon", "startTimeout", "must be an int, got str 'soon'"),
        ("extraEnv: hunter2hunter2", "extraEnv", "must be a dict, got a str"),
        ("profileList: [{display_name: A, nodegroup: gpu}]", "profileList", "names the nodegroup 'gpu'"),
    ],
)
def test_z2jhs_values_that_become_options_are_checked(tmp_path: Path, text: str, key: str, sentence: str) -> None:
    """What z2jh hands to KubeSpawner is told by its own key, not by that of an option that nobody wrote."""
    for schema in (None, {"properties": {"singleuser": {}}}):
        problems = check_text(tmp_path, f"singleuser: {{{text}}}\n", schema=schema)

        assert told(problems) == [(1, f"singleuser.{key}")]
        assert sentence in problems[0].sentence
        assert "hunter2" not in problems[0].sentence


def test_an_option_of_a_parents_section_is_told_there(tmp_path: Path) -> None:
    """Our class reads its parents' sections too; the nearest one that has the option is to blame."""
    theirs = "SharedPasswordAuthenticator:\n  user_password: short\n"
    ours = "JhawsAuthenticator:\n  admin_users: [a]\n"
    own = ours + "  user_password: short\n"

    assert told(check_text(tmp_path, config(theirs + ours))) == [
        (4, "hub.config.SharedPasswordAuthenticator.user_password")
    ]
    assert told(check_text(tmp_path, config(theirs + own))) == [(7, "hub.config.JhawsAuthenticator.user_password")]


@pytest.mark.parametrize("row", RENAMES, ids=lambda row: row.old)
def test_each_old_key_has_an_advice(tmp_path: Path, row: Rename) -> None:
    """An old key is told once, with what to write, which is no old key itself."""
    values: object = "x"
    for part in reversed(row.old.split(".")):
        values = {part: values}
    problems = check_text(tmp_path, yaml.safe_dump(values), schema=None)

    if renames.version(row.since) > renames.version(renames.CHART):
        assert problems == []
        return
    assert [each.key for each in problems] == [row.old]
    assert row.since in problems[0].sentence
    assert row.sentence.endswith((".", "`."))
    assert " " in row.new or find_rename(tuple(row.new.split("."))) is None


def test_what_is_in_an_old_mapping_is_told_once(tmp_path: Path) -> None:
    """Ten options of a mapping that is gone are one problem, at its own line."""
    problems = check_text(tmp_path, "proxy:\n  pdb:\n    enabled: true\n    minAvailable: 1\nauth:\n  ldap: {a: 1}\n")

    assert told(problems) == [(2, "proxy.pdb"), (6, "auth.ldap")]


def test_the_values_of_2019_end_as_values_of_today(tmp_path: Path) -> None:
    """Who follows each advice comes from a file of z2jh 0.8 that Helm cannot read to one without a problem."""
    text = (DATA / "z2jh-0.8.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text)
    said = []
    while problems := read_source(str(tmp_path / "a.yaml")).problems:
        said.append(f"{problems[0].place.line} {problems[0].sentence}")
        lines = text.splitlines(keepends=True)
        lines[problems[0].place.line - 1] = f"  {lines[problems[0].place.line - 1].lstrip()}"
        text = "".join(lines)
        (tmp_path / "a.yaml").write_text(text)
        assert len(said) < 5
    problems = check_text(tmp_path, text)

    assert said == [
        "4 The line is indented deeper than line 3, which has a value already. Line both up, with 2 spaces.",
        "6 The line is indented by 3 spaces, and nothing above it is. "
        "Write 0 (as line 2) or 2 (as line 4) or 8 (as line 5).",
    ]
    assert [each.key for each in problems] == [
        "auth.admin.users",
        "auth.whitelist.users",
        "auth.dummy.password",
        "singleuser.extraEnv.lifecycleHooks",
    ]
    assert "5ecre7" not in str(problems) + str(said)

    values = yaml.safe_load(text)
    del values["auth"]
    hooks = values["singleuser"]["extraEnv"].pop("lifecycleHooks")
    values["singleuser"]["lifecycleHooks"] = hooks
    login = {"admin_users": ["user1"], "allowed_users": ["user2"], "user_password": "x" * 8, "admin_password": "y" * 32}
    values["hub"] = {"config": {"JhawsAuthenticator": login}}

    assert check_text(tmp_path, yaml.safe_dump(values)) == []


@pytest.mark.parametrize(
    ("text", "line", "key", "sentence"),
    [
        ("hub:\n  baseURL: /", 2, "hub.baseURL", "There is no 'baseURL' here. Did you mean 'baseUrl'?"),
        ("hub:\n  baseUrl: 5", 2, "hub.baseUrl", "It must be text, got int 5."),
        ("hub: {uid: 5}", 1, "hub.uid", "Write hub.containerSecurityContext.runAsUser."),
        ("cull: []", 1, "cull", "It must be a mapping, got a list. Write its keys below it"),
        (
            "proxy: {secretToken: 31415926}",
            1,
            "proxy.secretToken",
            "It must be text, got a whole number. Put quotes around it.",
        ),
        ("proxy: hunter2", 1, "proxy", "It must be a mapping, got text. Write its keys below it"),
        ("cull: hunter2", 1, "cull", "It must be a mapping, got text."),
        ("hub: {hunter2hunter2: 1}", 1, "hub", "There is no such key here. Known are: baseUrl, config, uid."),
        ("ingress: {hosts: hunter2}", 1, "ingress.hosts", "It must be a list, got text. Write its entries below it"),
        ("ingress: {tls: true}", 1, "ingress.tls", "It must be a list or a mapping, got true or false."),
        ("proxy: {chp: [{a: 1}]}", 1, "proxy.chp", "It must be true or false, got a list."),
        (
            "proxy: {labels: {hunter2hunter2hunter2: 1}}",
            1,
            "proxy.labels",
            "not fit maxLength int 9, got text.",
        ),
        ("proxy: {db: {a: 1}}", 1, "proxy.db", "It must have url, got a mapping. Add what is missing."),
        ("proxy: {secretToken: 'x hunter2'}", 1, "proxy.secretToken", "It must fit the pattern ^\\S+$, got text."),
        ("proxy: {type: c}", 1, "proxy.type", "It must be one of a, b, got str 'c'."),
        ("rbac: {enabled: true}", 1, "rbac.enabled", "Write rbac.create"),
        ("scheduling: {}", 1, "scheduling", "The chart has no key 'scheduling'."),
    ],
)
def test_z2jhs_schema_is_asked_where_it_is_given(tmp_path: Path, text: str, line: int, key: str, sentence: str) -> None:
    """A key that the chart does not know, and a value that it does not take, in our words."""
    problems = check_text(tmp_path, text + "\n", schema=SCHEMA)

    assert told(problems) == [(line, key)]
    assert sentence in problems[0].sentence
    assert "31415926" not in problems[0].sentence
    assert "hunter2" not in problems[0].sentence


@pytest.mark.parametrize(("text", "key"), [("timeout: 1h", "timeout"), ("maxAge: -5", "maxAge")])
def test_the_charts_cull_is_our_cullers(tmp_path: Path, text: str, key: str) -> None:
    """What z2jh's `cull` says is what our culler reads, with or without a schema."""
    assert told(check_text(tmp_path, f"cull: {{{text}}}\n")) == [(1, f"cull.{key}")]
    assert told(check_text(tmp_path, f"cull: {{{text}}}\n", schema=SCHEMA)) == [(1, f"cull.{key}")]


def test_defaults_of_the_chart_are_not_missed(tmp_path: Path) -> None:
    """The schema is made for merged values: what is required has a default, and null deletes one."""
    assert check_text(tmp_path, "cull: {timeout: null}\nhub: {baseUrl: null}\n", schema=SCHEMA) == []


def test_an_old_key_that_the_given_chart_still_has_is_right(tmp_path: Path) -> None:
    """The given schema says what is gone, but for keys that the chart only keeps to refuse them."""
    assert [each.key for each in check_text(tmp_path, "hub: {uid: 5}\n")] == ["hub.uid"]
    old = {"properties": {"hub": SCHEMA["properties"]["hub"]}}
    assert check_text(tmp_path, "hub: {uid: 5}\n", schema=old) == []
    new = {"properties": {**SCHEMA["properties"], "httpRoute": {"properties": {"parentRefs": {}}}}}
    assert [each.key for each in check_text(tmp_path, "httpRoute: {gateway: {}}\n", schema=new)] == [
        "httpRoute.gateway"
    ]
    assert check_text(tmp_path, "httpRoute: {gateway: {}}\n", schema=SCHEMA) == []


def test_a_slip_in_a_record_with_secrets_is_told_by_its_name(tmp_path: Path) -> None:
    """The fields of a repository are no secrets, though its address may be."""
    text = config("JhawsSpawner: {git_repos: [{url: 'https://hunter2@x/y', brnach: main}, {url: 'https://x/z'}]}")
    problems = check_text(tmp_path, text)

    assert "has no field 'brnach'. Did you mean 'branch'?" in problems[0].sentence
    assert "hunter2" not in str(problems)


def test_no_secret_is_ever_in_a_problem(tmp_path: Path) -> None:
    """Whatever is wrong around a password, it is not shown, not even as a key."""
    text = config(
        "JhawsAuthenticator: {user_password: 31415926, admin_password: '31415926', password_groups: {31415926: a}}\n"
        "JhawsSpawner: {git_repos: 'https://u:31415926@x/y', environment: [31415926]}\n"
        "CryptKeeper: {keys: 31415926}\n"
        "JhawsCuller: 31415926\n"
        "JupyterHub: {api_tokens: 'hunter2', template_vars: [{password: hunter2}], db_kwargs: 'password=hunter2'}\n"
        "KubeSpawner: {environment: hunter2, args: {token: hunter2}, cmd: {a: '--token=hunter2'}}"
    )
    problems = check_text(tmp_path, text + "proxy: {secretToken: 31415926}\nauth: {dummy: {password: 31415926}}\n")

    assert len(problems) > 5
    assert "31415926" not in str(problems)
    assert "hunter2" not in str(problems)
