"""What a bored student tries, on a real hub."""

from .clusters import hub_on_cluster
from .hubs import running_hub

PROFILES = """
c.JhawsSpawner.nodegroups = {"jhusers": {"node_labels": {"pool": "users"}}}
c.JhawsSpawner.profile_list = lambda spawner: [
    {"display_name": "Good", "slug": "good"},
    {"display_name": "Bad", "slug": "bad", "nodegroup": "nope"},
]
c.Spawner.consecutive_failure_limit = 2
"""

ROLES = """
c.JhawsAuthenticator.admin_users = {"root"}
c.JhawsAuthenticator.admin_password = "the-admins-own-password-of-40-characters"
c.JhawsAuthenticator.user_password = "shared-password"
c.JhawsAuthenticator.allowed_users = {"tutor", "helper", "ann", "joiner", "sharer", "leader"}
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {"name": "tutor", "scopes": ["admin:users", "tokens", "list:users"], "users": ["tutor"]},
    {"name": "helper", "scopes": ["access:servers!group=class-a", "list:users"], "users": ["helper"]},
    {"name": "joiner", "scopes": ["groups"], "users": ["joiner"]},
    {"name": "sharer", "scopes": ["shares"], "users": ["sharer"]},
    {"name": "leader", "scopes": ["groups!group=class-a", "tokens!group=class-a"], "users": ["leader"]},
]
"""


async def test_a_profile_that_can_never_start_does_not_end_the_hub(tmp_path) -> None:
    """Whoever starts it gets a sentence; it never counts towards the hub's limit of consecutive failures."""
    async with hub_on_cluster(tmp_path, PROFILES) as place:
        await place.add_user("ann")
        for _ in range(4):
            status, _ = await place.hub.api("POST", "users/ann/server", {"profile": "bad"})
            assert status in (400, 500)
        assert "No nodegroup 'nope' is configured" in place.hub.log()

        await place.start_server("ann", options={"profile": "good"})
        assert "Aborting" not in place.hub.log()


async def test_the_shared_password_opens_no_account_from_which_one_becomes_an_admin(tmp_path) -> None:
    """A role that leads to tokens or users of all is an admin's, whatever its name; a filtered one is not."""
    async with running_hub(tmp_path, ROLES) as hub:
        for name in ("tutor", "joiner", "sharer", "leader"):
            assert not (await hub.login(name, "shared-password")).ok, name
        assert (await hub.login("tutor", "the-admins-own-password-of-40-characters")).ok
        assert (await hub.login("helper", "shared-password")).ok
        assert (await hub.login("ann", "shared-password")).ok


async def test_a_database_that_was_reset_lets_the_configured_names_in_again(tmp_path) -> None:
    """After `reset_db` nobody counts as deleted."""
    async with running_hub(tmp_path, ROLES) as hub:
        assert (await hub.login("ann", "shared-password")).ok
        await hub.kill()
        hub.write_config(ROLES + "c.JupyterHub.reset_db = True\n")
        await hub.start()

        assert (await hub.login("ann", "shared-password")).ok


async def test_a_user_finds_no_door_of_the_services(tmp_path) -> None:
    """The services have no pages, so there is nothing to scan."""
    async with running_hub(tmp_path, ROLES) as hub:
        session = await hub.login("ann", "shared-password")
        for path in ("hub/jhaws", "hub/api/jhaws", "services/jhaws-culler/", "services/jhaws-placeholder/"):
            status, _ = await session.get(path)
            assert status == 404, path
