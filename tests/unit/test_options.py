"""What an operator wrote, checked before the hub starts."""

import pytest
from jupyterhub.app import JupyterHub
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from kubespawner import KubeSpawner
from traitlets.config import Config

from jhaws.errors import ConfigError
from jhaws.login.authenticator import JhawsAuthenticator
from jhaws.options import check_options, configured_value
from jhaws.services.culler.settings import JhawsCuller
from jhaws.spawner import JhawsSpawner

OURS = (JhawsSpawner, JhawsAuthenticator, JhawsCuller)
OTHERS = (JupyterHub, KubeSpawner, SharedPasswordAuthenticator)


def check(sections: dict) -> list[str]:
    return check_options(Config(sections), OURS, OTHERS)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"JhawsSpwaner": {"nfs_server": "x"}}, "section 'JhawsSpwaner', but no class .* Did you mean 'JhawsSpawner'"),
        ({"JhawsCuler": {"timeout": 5}}, "Did you mean 'JhawsCuller'"),
        ({"JhawsHomes": {"server": "x"}}, "section 'JhawsHomes', but no class"),
        ({"JhawsSpawner": {"nfs_sever": "x"}}, "JhawsSpawner has no option 'nfs_sever'. Did you mean 'nfs_server'"),
        ({"JhawsSpawner": {"nfs_server": 5}}, "JhawsSpawner.nfs_server: must be a unicode string, got int 5"),
        ({"JhawsSpawner": {"shares": "data"}}, "JhawsSpawner.shares: must be .*, got str 'data'"),
        ({"JhawsSpawner": {"shares": [{"name": 5}]}}, r"JhawsSpawner.shares\[0\].name must be text, got int 5"),
        ({"JhawsSpawner": {"nfs_home": "home"}}, "by one field and no other"),
        ({"JhawsSpawner": {"home_mount": "home"}}, "JhawsSpawner.home_mount must be an absolute path"),
        ({"JhawsSpawner": {"cpu_limit": "many"}}, "JhawsSpawner.cpu_limit: must be .*, got str 'many'"),
        ({"KubeSpawner": {"mem_limit": "1 giga"}}, "KubeSpawner.mem_limit: must be .*, got str '1 giga'"),
        ({"Spawner": {"start_timeout": "soon"}}, "Spawner.start_timeout: must be .*, got str 'soon'"),
        ({"JhawsCuller": {"timeout": "1h"}}, "JhawsCuller.timeout: must be an int, got str '1h'"),
        ({"JhawsCuller": {"timeout": 0}}, "JhawsCuller.timeout"),
        ({"JhawsCuller": None}, "JhawsCuller must be a mapping of options, got NoneType"),
        ({"JhawsSpawner": {"nfs_server": "a b; rm"}}, "nfs_server must be a host name or an address"),
        ({"JhawsSpawner": {"nfs_server": "drive:/export"}}, "belongs into nfs_path"),
    ],
)
def test_a_slip_in_the_configuration_is_one_sentence(sections: dict, sentence: str) -> None:
    """Misspelt sections and options and wrong values are refused with place, rule, value and next step."""
    with pytest.raises(ConfigError, match=sentence):
        check(sections)


def test_all_mistakes_are_told_at_once() -> None:
    """An operator mends a configuration in one go: every mistake has its line."""
    with pytest.raises(ConfigError) as caught:
        check(
            {"JhawsSpwaner": {"a": 1}, "JhawsSpawner": {"nfs_sever": "x", "nfs_server": 5}, "JhawsCuller": {"every": 0}}
        )

    assert len(str(caught.value).splitlines()) == 4


def test_what_an_operator_has_today_goes_on() -> None:
    """Sections of other classes are not ours to judge, and KubeSpawner's unknown options are only a warning."""
    warnings = check(
        {
            "GitHubOAuthenticator": {"client_id": "x"},
            "OAuthenticator": {"client_id": "x"},
            "MySpawner": {"anything": 1},
            "ServerApp": {"ip": "x"},
            "KubeSpawner": {"image": "x", "singleuser_image_specs": "y", "hub_connect_ip": "z"},
            "Spawner": {"cmd": ["jupyterhub-singleuser"]},
            "KubeSpwaner": {"image": "x"},
            "SharedPasswordAuthenticator": {"user_password": "x" * 10},
        }
    )

    assert [warning.split("'")[1] for warning in warnings] == ["KubeSpwaner", "singleuser_image_specs"]


def test_lists_that_are_appended_to_are_checked_as_what_they_become() -> None:
    """`c.KubeSpawner.volumes.append(...)` in extraConfig is as good as a list."""
    config = Config()
    config.KubeSpawner.init_containers.append({"name": "x"})

    assert check_options(config, OURS, OTHERS) == []


def test_the_value_of_a_secret_is_never_shown() -> None:
    """A password that YAML reads as a number, or an environment with a token, stays out of the sentence."""
    with pytest.raises(ConfigError) as caught:
        check({"KubeSpawner": {"environment": ["TOKEN=31415926"], "oauth_client_allowed_scopes": 5}})

    assert "KubeSpawner.environment" in str(caught.value)
    assert "31415926" not in str(caught.value)

    for entry in ("https://user:31415926@example.org/c", {"url": "htps://user:31415926@example.org/c"}):
        with pytest.raises(ConfigError) as caught:
            check({"JhawsSpawner": {"git_repos": [entry]}})
        assert "31415926" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"KubeSpawner": {"args": "--IdentityProvider.token=31415926"}},
        {"KubeSpawner": {"cmd": {"https://ada:31415926@example.org": 1}}},
        {"JhawsSpawner": {"git_repos": [{"url": ["https://ada:31415926@example.org/c"]}]}},
        {"JhawsSpawner": {"git_repos": [{"https://ada:31415926@example.org/c": "course"}]}},
        {"JhawsSpawner": {"git_repos": {"https://ada:31415926@example.org/c": {"directory": "course"}}}},
        {"JhawsSpawner": {"git_repos": [{"url": "https://example.org/c", "branch": ["https://ada:31415926@x.org"]}]}},
        {"JhawsSpawner": {"shares": [{"name": "x", "path": ["ghp_31415926abcdefghij"]}]}},
        {"JhawsAuthenticator": {"31415926": ["ada"]}},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown_either(options: dict) -> None:
    """A token on a command line, in a URL or in a name is named by its type or its place."""
    with pytest.raises(ConfigError) as caught:
        check(options)

    assert "31415926" not in str(caught.value)
    assert next(iter(options)) in str(caught.value)


def test_what_cannot_be_a_secret_is_shown() -> None:
    """Who wrote a wrong value of no danger reads it again in the sentence."""
    with pytest.raises(ConfigError, match="got str 'two'"):
        check({"KubeSpawner": {"cpu_guarantee": "two"}})


def test_a_sentence_names_its_option_once() -> None:
    """The service's own sentence begins with the option's name, and the section stands before it."""
    with pytest.raises(ConfigError, match=r"^JhawsCuller\.every must be a number of at least 1, got 0"):
        check({"JhawsCuller": {"every": 0}})


def test_the_nearest_class_says_what_an_option_is() -> None:
    """JhawsSpawner's section wins over KubeSpawner's, and KubeSpawner's over the default."""
    config = Config({"KubeSpawner": {"mem_guarantee": "1G", "image": "a"}, "JhawsSpawner": {"image": "b"}})

    assert configured_value(JhawsSpawner, config, "image") == "b"
    assert configured_value(JhawsSpawner, config, "mem_guarantee") == 2**30
    assert configured_value(JhawsSpawner, config, "nfs_path") == "/"
