"""Nodegroups: affinity and tolerations from one record."""

import pytest

from jhaws.errors import ConfigError
from jhaws.pods.nodegroups import choose, make_node_requirements, make_tolerations, read_nodegroups
from jhaws.pods.profiles import named_nodegroups, with_nodegroups


def read(value: object) -> dict:
    return read_nodegroups("JhawsSpawner.nodegroups", value)


def test_labels_become_requirements_and_taints_become_tolerations() -> None:
    """What is written once of a nodegroup is what its servers demand and put up with."""
    group = read(
        {
            "gpu": {
                "node_labels": {"hub.jupyter.org/node-purpose": "user", "pool": "gpu"},
                "taints": ["nvidia.com/gpu=present:NoSchedule", {"key": "spot", "effect": "NoExecute"}],
            }
        }
    )["gpu"]

    assert make_node_requirements(group) == [
        {"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]},
        {"key": "pool", "operator": "In", "values": ["gpu"]},
    ]
    assert make_tolerations(group) == [
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Equal", "value": "", "effect": "NoExecute"},
    ]


def test_a_nodegroup_without_labels_is_an_eks_managed_one() -> None:
    """EKS labels the nodes of a managed nodegroup with its name, so nothing needs to be written."""
    assert dict(read({"jhusers": None})["jhusers"].node_labels) == {"eks.amazonaws.com/nodegroup": "jhusers"}


def test_the_first_nodegroup_is_the_default_and_none_leaves_kubernetes_alone() -> None:
    """A server without a profile goes to the first nodegroup; with none configured it goes anywhere."""
    groups = read({"small": {}, "large": {}})

    assert choose(groups, "").name == "small"
    assert choose(groups, "large").name == "large"
    assert choose({}, "") is None
    with pytest.raises(ConfigError, match="No nodegroup 'larg' is configured. Did you mean 'large'"):
        choose(groups, "larg")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "must map names of nodegroups"),
        ({"a b": {}}, "1 to 63 letters"),
        ({"x": {"labels": {}}}, "has no field 'labels'. Did you mean 'node_labels'"),
        ({"x": {"node_labels": {"gpu": True}}}, "Put quotes around true"),
        ({"x": {"taints": "gpu"}}, "must be a list"),
        ({"x": {"taints": ["gpu"]}}, "must be key=value:effect"),
        ({"x": {"taints": ["gpu=1:Never"]}}, "the effect is one of NoSchedule"),
        ({"x": {"cpu_cores": "4"}}, r"nodegroups\.x\.cpu_cores must be a number above 0, got str '4'"),
        ({"x": {"memory_gib": -1}}, "must be a number above 0"),
        ({"x": {"usd_per_hour": True}}, "must be a number above 0"),
    ],
)
def test_a_wrong_nodegroup_is_refused_in_a_sentence(value: object, sentence: str) -> None:
    """Each mistake names the nodegroup, the field and the rule."""
    with pytest.raises(ConfigError, match=sentence):
        read(value)


def test_a_profiles_nodegroup_is_short_for_an_override() -> None:
    """KubeSpawner's own override wins, and a profile that names none leaves what the option or a hook says."""
    profiles = with_nodegroups(
        [
            {"slug": "gpu", "nodegroup": "gpu"},
            {"slug": "small", "nodegroup": None},
            {"slug": "own", "nodegroup": "gpu", "kubespawner_override": {"nodegroup": "other"}},
        ]
    )

    assert [profile.get("kubespawner_override") for profile in profiles] == [
        {"nodegroup": "gpu"},
        None,
        {"nodegroup": "other"},
    ]


def test_the_nodegroups_of_static_profiles_are_known_before_the_first_start() -> None:
    """Those of profiles, overrides and choices are found; a callable's are not known yet."""
    profiles = [
        {"display_name": "A", "nodegroup": "a"},
        {"display_name": "B", "kubespawner_override": {"nodegroup": "b"}},
        {
            "display_name": "C",
            "profile_options": {"o": {"choices": {"x": {"kubespawner_override": {"nodegroup": "c"}}}}},
        },
        "nonsense",
    ]

    assert list(named_nodegroups(profiles)) == [("A", "a"), ("B", "b"), ("C", "c")]
    assert list(named_nodegroups({"p": profiles[0]})) == [("A", "a")]
    assert list(named_nodegroups(lambda spawner: profiles)) == []
