"""`configure(c)`: what it sets, what it leaves alone, and what it adds when the configuration is complete."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub.auth import DummyAuthenticator
from kubespawner import KubeSpawner
from traitlets.config import Config

from jhaws.errors import ConfigError
from jhaws.hub import Wanted, complete, configure, local_api_url, read_wanted
from jhaws.login.authenticator import JhawsAuthenticator
from jhaws.names import hub_id
from jhaws.spawner import JhawsSpawner

# What z2jh 4.4's own code has put into c, and its values.yaml into the chart, before config.d is read.
Z2JH_CONFIG = {
    "JupyterHub": {
        "spawner_class": "kubespawner.KubeSpawner",
        "authenticator_class": "dummy",
        "hub_bind_url": "http://:8081",
        "services": [{"name": "jupyterhub-idle-culler", "command": ["x"]}, {"name": "own", "command": ["y"]}],
        "load_roles": [{"name": "jupyterhub-idle-culler", "scopes": ["list:users"]}, {"name": "own", "scopes": []}],
    },
    "KubeSpawner": {"namespace": "jhub", "mem_guarantee": "1G", "priority_class_name": "jhub-default-priority"},
}
Z2JH_CHART = {
    "hub.config.JupyterHub.authenticator_class": "dummy",
    "cull.enabled": True,
    "cull.timeout": 3600,
    "cull.every": 600,
    "cull.concurrency": 10,
    "cull.adminUsers": True,
    "hub": {"config": {}},
}


def chart_of(**changes: Any) -> Callable[[str], Any]:
    values = {**Z2JH_CHART, **{name.replace("__", "."): value for name, value in changes.items()}}
    return values.get


def no_chart(name: str) -> None:
    return None


def make_app(*configs: dict[str, Any]) -> Any:
    config = Config()
    for each in configs:
        config.merge(Config(copy.deepcopy(each)))
    return JupyterHub(config=config)


def service(app: Any, name: str) -> dict[str, Any]:
    return next(each for each in app.services if each["name"] == name)


def test_a_hub_that_says_nothing_gets_our_classes() -> None:
    """In plain manifests and in the demo `configure(c)` is all it takes."""
    c = Config()
    configure(c, chart=no_chart)
    app = JupyterHub(config=c)

    assert (app.spawner_class, app.authenticator_class) == (JhawsSpawner, JhawsAuthenticator)


def test_what_z2jh_sets_by_itself_counts_as_not_set() -> None:
    """KubeSpawner, set by z2jh's code, and dummy, the chart's default, give way."""
    c = Config(copy.deepcopy(Z2JH_CONFIG))
    configure(c, chart=chart_of())

    assert JupyterHub(config=c).spawner_class is JhawsSpawner
    assert JupyterHub(config=c).authenticator_class is JhawsAuthenticator


def test_what_the_operator_chose_stays() -> None:
    """A spawner named in hub.config and an authenticator other than dummy are the operator's."""
    c = Config(copy.deepcopy(Z2JH_CONFIG))
    c.JupyterHub.authenticator_class = "pam"
    configure(c, chart=chart_of(hub__config__JupyterHub__spawner_class="kubespawner.KubeSpawner"))

    assert c.JupyterHub.authenticator_class == "pam"
    assert JupyterHub(config=c).spawner_class is KubeSpawner


def test_custom_jhaws_opts_out() -> None:
    """Who really wants dummy or KubeSpawner under z2jh says so under `custom:`."""
    c = Config(copy.deepcopy(Z2JH_CONFIG))
    configure(c, chart=chart_of(custom__jhaws={"authenticator": False, "spawner": False}))
    app = JupyterHub(config=c)

    assert (app.spawner_class, app.authenticator_class) == (KubeSpawner, DummyAuthenticator)


def test_outside_z2jh_dummy_is_the_operators_choice() -> None:
    """Where no chart has defaults, everything that is set was set by the operator."""
    c = Config({"JupyterHub": {"authenticator_class": "dummy", "spawner_class": "kubespawner.KubeSpawner"}})
    configure(c, chart=no_chart)

    assert c.JupyterHub.authenticator_class == "dummy"
    assert c.JupyterHub.spawner_class == "kubespawner.KubeSpawner"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"authentcator": False}, "custom.jhaws has no part 'authentcator'. Did you mean 'authenticator'"),
        ({"culler": "no"}, "custom.jhaws.culler must be true or false, got str 'no'"),
        ("off", "custom.jhaws must map spawner, authenticator, culler, placeholder"),
    ],
)
def test_a_wrong_opt_out_is_a_sentence(value: object, sentence: str) -> None:
    """A slip under `custom.jhaws` is not silently ignored."""
    with pytest.raises(ConfigError, match=sentence):
        read_wanted(value)


def test_false_opts_out_of_everything() -> None:
    """`custom: {jhaws: false}` leaves a stock hub."""
    assert read_wanted(False) == Wanted(False, False, False, False)
    assert read_wanted(None) == Wanted(True, True, True, True)


def test_our_culler_replaces_z2jhs_with_its_limits_and_least_scopes() -> None:
    """Two cullers never run; the chart's `cull` values keep their meaning; the role can list and stop, no more."""
    app = make_app(Z2JH_CONFIG)
    complete(app, Wanted(), chart_of(cull__timeout=7200, cull__maxAge=86400, cull__adminUsers=False))
    culler = service(app, "jhaws-culler")
    options = json.loads(culler["environment"]["JHAWS_SERVICE_CONFIG"])
    role = next(each for each in app.load_roles if each["name"] == "jhaws-culler")

    assert [each["name"] for each in app.services] == ["own", "jhaws-culler"]
    assert (options["timeout"], options["every"], options["max_age"]) == (7200, 600, 86400)
    assert options["cull_admin_users"] is False
    assert culler["environment"]["JHAWS_HUB_API_URL"] == "http://127.0.0.1:8081/hub/api"
    assert role["services"] == ["jhaws-culler"]
    assert set(role["scopes"]) == {"list:users", "read:users:activity", "read:servers", "delete:servers"}


def test_what_extra_config_says_later_counts() -> None:
    """The services' options are read when the configuration is complete, and replacing the list loses none of ours."""
    app = make_app(Z2JH_CONFIG, {"JhawsCuller": {"timeout": 60}, "JupyterHub": {"services": [], "base_url": "/class/"}})
    complete(app, Wanted(), chart_of())
    environment = service(app, "jhaws-culler")["environment"]

    assert json.loads(environment["JHAWS_SERVICE_CONFIG"])["timeout"] == 60
    assert environment["JHAWS_HUB_API_URL"] == "http://127.0.0.1:8081/class/hub/api"


def test_an_operator_who_turned_culling_off_keeps_it_off() -> None:
    """`cull.enabled: false` is no default of the chart, so it is the operator's word."""
    app = make_app({})
    complete(app, Wanted(), chart_of(cull__enabled=False))

    assert app.services == []


def test_another_timeout_is_looked_after_as_often_as_it_needs() -> None:
    """`cull.every` belongs to `cull.timeout`; a `JhawsCuller.timeout` brings its own pace, if none is written."""
    app = make_app(Z2JH_CONFIG, {"JhawsCuller": {"timeout": 60}})
    complete(app, Wanted(), chart_of())
    options = json.loads(service(app, "jhaws-culler")["environment"]["JHAWS_SERVICE_CONFIG"])

    assert (options["timeout"], options["every"]) == (60, 30)


def test_placeholders_get_the_seat_of_a_server_and_no_scope_of_the_hub() -> None:
    """A seat has the size of the spawner's guarantees; the service needs Kubernetes and nothing of the hub."""
    app = make_app(
        Z2JH_CONFIG,
        {
            "JhawsPlaceholder": {"seats": 2, "priority_class": "low"},
            "JhawsSpawner": {"nodegroups": {"g": {"taints": ["a=b:NoSchedule"]}}},
            "JupyterHub": {"spawner_class": "jhaws.spawner.JhawsSpawner"},
        },
    )
    complete(app, Wanted(), chart_of())
    environment = service(app, "jhaws-placeholder")["environment"]
    options = json.loads(environment["JHAWS_SERVICE_CONFIG"])

    assert (options["seats"], options["priority_class"], options["memory_gib"]) == (2, "low", 1.0)
    assert environment["JHAWS_NAMESPACE"] == "jhub"
    assert json.loads(environment["JHAWS_NODEGROUPS"]) == {
        "g": {
            "node_labels": {"eks.amazonaws.com/nodegroup": "g"},
            "taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}],
        }
    }
    assert "jhaws-placeholder" not in [role["name"] for role in app.load_roles]


@pytest.mark.parametrize(
    ("written", "expected"),
    [({}, "mirror.example.org/pause:3.10.1"), ({"image": "mine:1"}, "mine:1")],
)
def test_placeholders_have_the_image_of_z2jhs_own(written: dict[str, Any], expected: str) -> None:
    """Who has a mirror for the chart's images says so once; the option of jhaws wins."""
    app = make_app(Z2JH_CONFIG, {"JhawsPlaceholder": {"seats": 1, "priority_class": "low", **written}})
    image = {"name": "mirror.example.org/pause", "tag": "3.10.1", "pullPolicy": None, "pullSecrets": []}
    complete(app, Wanted(), chart_of(scheduling__userPlaceholder__image=image))
    options = json.loads(service(app, "jhaws-placeholder")["environment"]["JHAWS_SERVICE_CONFIG"])

    assert options["image"] == expected


def test_placeholders_without_a_priority_class_stay_off_in_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """Without a class below the users' none would give way, so none is made and the log says what to set."""
    app = make_app({"JhawsPlaceholder": {"seats": 2}})
    app.log.propagate = True
    complete(app, Wanted(), chart_of())

    assert [each["name"] for each in app.services] == ["jhaws-culler"]
    assert "Placeholder pods stay off" in caplog.text


def test_another_authenticator_keeps_its_place_and_gets_the_services() -> None:
    """OAuth or LTI go on; the culler runs beside them."""
    app = make_app(Z2JH_CONFIG, {"JupyterHub": {"authenticator_class": "pam"}})
    complete(app, Wanted(), chart_of())

    assert not issubclass(app.authenticator_class, JhawsAuthenticator)
    assert service(app, "jhaws-culler")


def test_a_wrong_option_stops_the_hub_before_anything_is_added() -> None:
    """Nothing is half done: the error comes before the first service."""
    app = make_app({"JhawsPlaceholder": {"seats": -1}, "JhawsCuler": {"timeout": 5}})
    with pytest.raises(ConfigError, match="JhawsCuler") as caught:
        complete(app, Wanted(), no_chart)

    assert "JhawsPlaceholder.seats" in str(caught.value)
    assert app.services == []


def test_a_service_of_our_name_is_refused() -> None:
    """Two services of one name would share a token."""
    app = make_app({"JupyterHub": {"services": [{"name": "jhaws-culler", "url": "http://x"}]}})
    with pytest.raises(ConfigError, match="Rename yours"):
        complete(app, Wanted(), no_chart)


def test_an_operators_own_subclass_has_its_options_too() -> None:
    """Options of a class made from ours are known under its name and under ours."""
    app = make_app({"JhawsSpawner": {"nfs_server": "x"}, "OwnSpawner": {"nfs_server": "y"}})

    class OwnSpawner(JhawsSpawner):
        """An operator's own."""

    app.spawner_class = OwnSpawner
    complete(app, Wanted(), no_chart)
    assert service(app, "jhaws-culler")

    app.config.JhawsSpawner.nfs_sever = "x"
    with pytest.raises(ConfigError, match="JhawsSpawner has no option 'nfs_sever'"):
        complete(app, Wanted(), no_chart)


def test_the_hubs_mark_is_its_own_and_stays() -> None:
    """Placeholder pods of two hubs in one cluster never get mixed up."""
    marks = {hub_id("a", "/"), hub_id("b", "/"), hub_id("a", "/x/")}

    assert len(marks) == 3
    assert hub_id("a", "/") in marks


def test_a_subcommand_finds_our_role_in_the_configuration() -> None:
    """`jupyterhub token` deletes the roles that the configuration does not name, so it names ours."""
    c = Config(copy.deepcopy(Z2JH_CONFIG))
    configure(c, chart=chart_of())

    assert "jhaws-culler" in [role["name"] for role in c.JupyterHub.load_roles]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"nodegroup": "nope", "nodegroups": {"a": {}}}, "No nodegroup 'nope' is configured"),
        (
            {"nodegroups": {"a": {}}, "profile_list": [{"display_name": "P", "nodegroup": "nope"}]},
            "The profile 'P' names the nodegroup 'nope'",
        ),
        ({"nfs_server": "d", "shares": [{"name": "x", "mount": "/home/jovyan"}]}, "where the home is"),
        ({"nfs_server": "d", "shares": [{"name": "x", "path": "home"}]}, "would open homes"),
    ],
)
def test_options_that_do_not_fit_each_other_stop_the_hub(section: dict[str, Any], sentence: str) -> None:
    """What would fail at every start is told once, when the hub starts."""
    app = make_app({"JhawsSpawner": section, "JupyterHub": {"spawner_class": "jhaws.spawner.JhawsSpawner"}})
    with pytest.raises(ConfigError, match=sentence):
        complete(app, Wanted(), no_chart)


@pytest.mark.parametrize(
    ("bind_url", "expected"),
    [
        ("http://:8081", "http://127.0.0.1:8081/hub/api"),
        ("http://0.0.0.0:8081", "http://127.0.0.1:8081/hub/api"),
        ("http://[::]:8081", "http://[::1]:8081/hub/api"),
        ("http://[fd00::1]:8081", "http://[fd00::1]:8081/hub/api"),
        ("https://:8081", ""),
    ],
)
def test_services_reach_the_hub_in_its_own_pod(bind_url: str, expected: str) -> None:
    """Whatever the hub binds to, its services have an address that needs no network policy's leave."""
    assert local_api_url(make_app({"JupyterHub": {"hub_bind_url": bind_url}})) == expected
