"""NFS homes and shares."""

import subprocess

import pytest

from jhaws.errors import ConfigError
from jhaws.pods.homes import (
    PREPARE_HOME,
    Storage,
    check_home_template,
    check_mount,
    check_shares,
    make_init_container,
    make_mounts,
    make_volumes,
    read_shares,
    shares_for,
)

STAFF = frozenset({"staff"})


def shares(*entries: object) -> tuple:
    return read_shares("JhawsSpawner.shares", list(entries))


def storage(**changes: object) -> Storage:
    values = {
        "server": "nfs",
        "path": "/",
        "homes": "home",
        "home": "home/ada",
        "home_mount": "/home/jovyan",
        "shares": (),
    }
    return Storage(**{**values, **changes})


def test_home_and_shares_are_sub_paths_of_one_volume() -> None:
    """A server mounts its own folders of the NFS volume and never the volume itself."""
    found = storage(shares=shares({"name": "data"}, {"name": "team", "mount": "/team", "read_only": False}))

    assert make_volumes(found) == [{"name": "jhaws-nfs", "nfs": {"server": "nfs", "path": "/"}}]
    assert make_mounts(found) == [
        {"name": "jhaws-nfs", "mountPath": "/home/jovyan", "subPath": "home/ada"},
        {"name": "jhaws-nfs", "mountPath": "/data", "subPath": "shares/data", "readOnly": True},
        {"name": "jhaws-nfs", "mountPath": "/team", "subPath": "shares/team", "readOnly": False},
    ]


def test_a_share_of_a_group_is_for_its_members_and_the_first_of_one_mount_counts() -> None:
    """Staff write where others read, and a group's own share is not there for others."""
    found = shares(
        {"name": "data", "groups": ["staff"], "read_only": False},
        {"name": "data"},
        {"name": "exam", "groups": ["staff"]},
    )

    assert [(each.name, each.read_only) for each in shares_for(found, STAFF)] == [("data", False), ("exam", True)]
    assert [(each.name, each.read_only) for each in shares_for(found, frozenset())] == [("data", True)]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (
            {"name": "data", "mount": "data"},
            r"shares\[0\]\.mount must be an absolute path such as /data, got str 'data'",
        ),
        ({"name": "data", "mount": "/"}, "absolute path"),
        ({"name": "data", "mount": "/a/../etc"}, "absolute path"),
        ({"name": "data", "path": "../home"}, "relative path"),
        ({"name": "data", "path": "scratch/{username}"}, "one folder for all who get the share"),
        ({"name": "data", "mount": "/it's"}, "absolute path"),
        ({"name": "data", "path": "/home"}, "relative path"),
        ({"mount": "/data"}, r"shares\[0\]\.name must be text, got NoneType None"),
        ({"name": "data", "readonly": True}, "has no field 'readonly'. Did you mean 'read_only'"),
        ({"name": "data", "read_only": "yes"}, "read_only must be true or false, got str 'yes'"),
        ({"name": "data", "groups": "staff"}, "groups must be a list of names"),
        ("data", "must be a mapping of name, mount, path, read_only, groups, got a str"),
    ],
)
def test_a_wrong_share_is_refused_with_its_place_the_rule_and_the_value(entry: object, sentence: str) -> None:
    """Each mistake in a share is one sentence that names the entry and the field."""
    with pytest.raises(ConfigError, match=sentence):
        shares(entry)


@pytest.mark.parametrize("template", ["home/{escaped_username}", "a/b/{username}", "x/u-{safe_username}/work"])
def test_a_home_template_names_the_user_by_an_escaped_field(template: str) -> None:
    """KubeSpawner's escaped fields are what a home may be named by."""
    assert check_home_template(template) == template


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("home", "must name the user by one field and no other"),
        ("home/{servername}", "must name the user by one field"),
        ("home/{username}-{servername}", "users could share a home"),  # ann-x's server y, ann's server x-y
        ("home/{username}{username}", "by one field"),
        ("{username}", "begin with a folder for homes alone"),  # a user called shares
        ("u-{username}/home", "begin with a folder for homes alone"),
        ("home/{username:.1}", "as they are, without ':'"),
        ("home/{username!r}", "as they are, without ':'"),
        ("home/{unescaped_username}", "its field is escaped"),
        ("home/{userid}", "may use the fields"),  # SQLite gives the number of a deleted user to the next one
        ("home/{username.__class__}", "may use the fields"),
        ("home/{", "must be a template"),
        ("/home/{username}", "relative path"),
        ("../{username}", "relative path"),
    ],
)
def test_a_home_template_that_could_be_shared_or_escape_is_refused(template: str, sentence: str) -> None:
    """No template lets two users meet in one folder or leave the folder of homes."""
    with pytest.raises(ConfigError, match=sentence):
        check_home_template(template)


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        ({"name": "x", "path": "home"}, "would open homes"),
        ({"name": "x", "path": "home/ada"}, "would open homes"),
        ({"name": "x", "mount": "/home/jovyan"}, "where the home is"),
    ],
)
def test_a_share_never_meets_the_homes(share: dict, sentence: str) -> None:
    """A share that holds homes, lies among them or is mounted over them is refused."""
    with pytest.raises(ConfigError, match=sentence):
        check_shares(shares(share), home_template="home/{escaped_username}", home_mount="/home/jovyan")


def test_a_share_beside_the_homes_is_fine() -> None:
    """A folder that only begins like that of the homes is another one, and a mount inside the home is allowed."""
    found = shares({"name": "x", "path": "homework", "mount": "/home/jovyan/x"})

    check_shares(found, home_template="home/{escaped_username}", home_mount="/home/jovyan")


@pytest.mark.parametrize("mount", ["/home/jovyan", "/data", "/a.b/c-d"])
def test_an_absolute_mount_is_taken(mount: str) -> None:
    """A plain absolute path is a mount."""
    assert check_mount("x", mount) == mount


def test_the_init_container_has_the_one_right_it_needs() -> None:
    """It runs as root without privilege escalation, with CHOWN and DAC_OVERRIDE only, on the server's own image."""
    container = make_init_container(storage(), image="jupyter/base:1", uid=1000, gid=100)

    assert container["image"] == "jupyter/base:1"
    assert container["command"][:2] == ["sh", "-c"]
    assert container["command"][3:] == ["jhaws-home", "/jhaws-nfs/ada", "1000", "100"]
    assert container["volumeMounts"] == [{"name": "jhaws-nfs", "mountPath": "/jhaws-nfs", "subPath": "home"}]
    assert container["securityContext"] == {
        "runAsUser": 0,
        "runAsNonRoot": False,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE"]},
    }


def test_the_home_is_made_and_a_second_run_changes_nothing(tmp_path) -> None:
    """The script makes a home with odd characters in its name, and leaves what is in it alone."""
    home = tmp_path / "home" / "a b'$(touch x)"
    for _ in range(2):
        subprocess.run(["sh", "-c", PREPARE_HOME, "jhaws-home", str(home), "1000", "100"], check=True, cwd=tmp_path)
        (home / "work.ipynb").write_text("kept")

    assert (home / "work.ipynb").read_text() == "kept"
    assert not (tmp_path / "x").exists()
