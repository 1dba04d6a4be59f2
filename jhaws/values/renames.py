"""What keys of older z2jh charts are called today.

A row for a mapping counts for all that is in it; of several rows the longest counts. Where z2jh's own schema is given
and knows the old key, there is nothing to say.

Source:
    z2jh's changelog, its upgrade guides, and the messages and values of its charts 0.4 to 4.4.0 and of 5 to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .places import Path, dotted, value_at

# The chart whose names count where no schema is given.
CHART = "4.4.0"
SECTIONS = (
    "cull custom debug enabled fullnameOverride global httpRoute hub imagePullSecret imagePullSecrets ingress "
    "nameOverride prePuller proxy rbac scheduling singleuser"
).split()

# What is directly in `hub`.
HUB = (
    "activeServerLimit allowNamedServers annotations args authenticatePrometheus baseUrl command concurrentSpawnLimit "
    "config consecutiveFailureLimit containerSecurityContext cookieSecret db deploymentStrategy existingSecret "
    "extraConfig extraContainers extraEnv extraFiles extraPodSpec extraVolumeMounts extraVolumes fsGid image "
    "initContainers labels lifecycle livenessProbe loadRoles namedServerLimitPerUser networkPolicy nodeSelector pdb "
    "podSecurityContext readinessProbe redirectToServer resources revisionHistoryLimit service serviceAccount services "
    "shutdownOnLogout templatePaths templateVars tolerations"
).split()


@dataclass(frozen=True)
class Rename:
    """One row.

    Attributes:
        old: The dotted key that is gone.
        since: The chart that took it away; "" for an option of the hub, which has no chart.
        new: The key to write, or a sentence.
    """

    old: str
    since: str
    new: str

    @property
    def advice(self) -> str:
        """What to write instead, a sentence."""
        return self.new if " " in self.new else f"Write {self.new}."

    @property
    def sentence(self) -> str:
        """What became of the key and what to write."""
        if not self.since:
            return f"{self.old} has another name today. {self.advice}"
        return f"z2jh {self.since} took {self.old} away. {self.advice}"


LOGIN = "Write hub.config.JhawsAuthenticator.{0}, or Authenticator.{0} with another login."
DUMMY = "Write hub.config.JhawsAuthenticator.user_password (8 characters or more) and admin_password (32 or more)."
ONE_PULL_SECRET = "Write imagePullSecret, which counts for all images, with `create: true`."  # noqa: S105  # a key's name
ROWS = (
    ("auth", "0.11.0", "Write hub.config with a section named like the authenticator's class."),
    ("auth.type", "0.11.0", "Leave it out for jhaws's login, else write hub.config.JupyterHub.authenticator_class."),
    ("auth.admin.access", "0.11.0", "Take it out: what admins may do, the hub's roles say."),
    ("auth.admin.users", "0.11.0", LOGIN.format("admin_users")),
    ("auth.whitelist", "0.11.0", LOGIN.format("allowed_users")),
    ("auth.whitelist.users", "0.11.0", LOGIN.format("allowed_users")),
    ("auth.allowedUsers", "0.11.0", LOGIN.format("allowed_users")),
    ("auth.dummy.password", "0.11.0", DUMMY),
    ("auth.state.enabled", "0.11.0", "hub.config.Authenticator.enable_auth_state"),
    ("auth.state.cryptoKey", "0.11.0", "Leave it out, z2jh makes one, or write a list in hub.config.CryptKeeper.keys."),
    ("auth.scopes", "0.11.0", "hub.config.OAuthenticator.scope"),
    ("auth.custom.className", "0.11.0", "hub.config.JupyterHub.authenticator_class"),
    ("auth.custom.config", "0.11.0", "Write it under hub.config, in a section named like the authenticator's class."),
    ("auth.hmac.secretKey", "0.11.0", "hub.config.HMACAuthenticator.secret_key"),
    ("auth.ldap", "0.11.0", "Write hub.config.LDAPAuthenticator with that class's options."),
    ("auth.lti", "0.11.0", "Write hub.config.LTIAuthenticator with that class's options."),
    ("auth.azuread.clientId", "0.11.0", "hub.config.AzureAdOAuthenticator.client_id"),
    ("auth.azuread.clientSecret", "0.11.0", "hub.config.AzureAdOAuthenticator.client_secret"),
    ("auth.azuread.callbackUrl", "0.11.0", "hub.config.AzureAdOAuthenticator.oauth_callback_url"),
    ("auth.azuread.tenantId", "0.11.0", "hub.config.AzureAdOAuthenticator.tenant_id"),
    ("auth.azuread.usernameClaim", "0.11.0", "hub.config.AzureAdOAuthenticator.username_claim"),
    ("auth.cilogon.clientId", "0.11.0", "hub.config.CILogonOAuthenticator.client_id"),
    ("auth.cilogon.clientSecret", "0.11.0", "hub.config.CILogonOAuthenticator.client_secret"),
    ("auth.cilogon.callbackUrl", "0.11.0", "hub.config.CILogonOAuthenticator.oauth_callback_url"),
    ("auth.github.clientId", "0.11.0", "hub.config.GitHubOAuthenticator.client_id"),
    ("auth.github.clientSecret", "0.11.0", "hub.config.GitHubOAuthenticator.client_secret"),
    ("auth.github.callbackUrl", "0.11.0", "hub.config.GitHubOAuthenticator.oauth_callback_url"),
    ("auth.github.org_whitelist", "0.9.0", "hub.config.GitHubOAuthenticator.allowed_organizations"),
    ("auth.github.orgWhitelist", "0.11.0", "hub.config.GitHubOAuthenticator.allowed_organizations"),
    ("auth.github.allowedOrganizations", "0.11.0", "hub.config.GitHubOAuthenticator.allowed_organizations"),
    ("auth.gitlab.clientId", "0.11.0", "hub.config.GitLabOAuthenticator.client_id"),
    ("auth.gitlab.clientSecret", "0.11.0", "hub.config.GitLabOAuthenticator.client_secret"),
    ("auth.gitlab.callbackUrl", "0.11.0", "hub.config.GitLabOAuthenticator.oauth_callback_url"),
    ("auth.gitlab.gitlabUrl", "0.11.0", "hub.config.GitLabOAuthenticator.gitlab_url"),
    ("auth.gitlab.gitlabGroupWhitelist", "0.11.0", "hub.config.GitLabOAuthenticator.allowed_gitlab_groups"),
    ("auth.gitlab.allowedGitlabGroups", "0.11.0", "hub.config.GitLabOAuthenticator.allowed_gitlab_groups"),
    ("auth.gitlab.gitlabProjectIdWhitelist", "0.11.0", "hub.config.GitLabOAuthenticator.allowed_project_ids"),
    ("auth.gitlab.allowedProjectIds", "0.11.0", "hub.config.GitLabOAuthenticator.allowed_project_ids"),
    ("auth.globus.clientId", "0.11.0", "hub.config.GlobusOAuthenticator.client_id"),
    ("auth.globus.clientSecret", "0.11.0", "hub.config.GlobusOAuthenticator.client_secret"),
    ("auth.globus.callbackUrl", "0.11.0", "hub.config.GlobusOAuthenticator.oauth_callback_url"),
    ("auth.google.clientId", "0.11.0", "hub.config.GoogleOAuthenticator.client_id"),
    ("auth.google.clientSecret", "0.11.0", "hub.config.GoogleOAuthenticator.client_secret"),
    ("auth.google.callbackUrl", "0.11.0", "hub.config.GoogleOAuthenticator.oauth_callback_url"),
    ("auth.google.hostedDomain", "0.11.0", "hub.config.GoogleOAuthenticator.hosted_domain"),
    ("auth.google.loginService", "0.11.0", "hub.config.GoogleOAuthenticator.login_service"),
    ("auth.mediawiki.clientId", "0.11.0", "hub.config.MWOAuthenticator.client_id"),
    ("auth.mediawiki.clientSecret", "0.11.0", "hub.config.MWOAuthenticator.client_secret"),
    ("auth.mediawiki.callbackUrl", "0.11.0", "hub.config.MWOAuthenticator.oauth_callback_url"),
    ("auth.mediawiki.indexUrl", "0.11.0", "hub.config.MWOAuthenticator.index_url"),
    ("createNamespace", "0.4", "Take it out, and give helm the option --create-namespace."),
    ("name", "0.4", "Take it out: the release's name is helm's first argument."),
    ("token", "0.4", "Take it out, z2jh makes one by itself, or write proxy.secretToken."),
    ("prePuller.enabled", "0.6", "Write prePuller.hook.enabled and prePuller.continuous.enabled."),
    ("hub.extraConfigMap", "1.0.0", "custom"),
    ("hub.imagePullPolicy", "0.10.0", "hub.image.pullPolicy"),
    ("hub.imagePullSecret", "1.0.0", ONE_PULL_SECRET),
    ("hub.publicURL", "1.0.0", "Take it out: nothing read it."),
    ("hub.uid", "1.0.0", "hub.containerSecurityContext.runAsUser"),
    ("hub.fsGid", "2.0.0", "hub.podSecurityContext.fsGroup"),
    ("proxy.containerSecurityContext", "1.0.0", "proxy.chp.containerSecurityContext"),
    ("proxy.networkPolicy", "1.0.0", "proxy.chp.networkPolicy"),
    ("proxy.nodeSelector", "0.10.0", "proxy.chp.nodeSelector"),
    ("proxy.pdb", "1.0.0", "proxy.chp.pdb"),
    ("proxy.lego", "0.9.0", "Take it out: proxy.https gets its certificates by Traefik."),
    ("proxy.nginx", "0.9.0", "Take it out: proxy.https is Traefik's, see proxy.traefik."),
    ("rbac.enabled", "2.0.0", "Write rbac.create, and hub.serviceAccount.create where you need none."),
    ("singleuser.imagePullSecret", "1.0.0", ONE_PULL_SECRET),
    (
        "singleuser.cloudMetadata.enabled",
        "1.0.0",
        "Write singleuser.cloudMetadata.blockWithIptables with the opposite value: true blocks it.",
    ),
    ("singleuser.schedulerStrategy", "0.11.0", "Take it out: scheduling.userScheduler packs the users' pods."),
    ("scheduling.userScheduler.policy", "0.10.0", "scheduling.userScheduler.plugins"),
    ("httpRoute.gateway", "5.0.0", "Write httpRoute.parentRefs, a list of gateways, each with name and namespace."),
)
RENAMES = tuple(Rename(*row) for row in ROWS)
BY_NAME = {row.old: row for row in RENAMES}

# Charts and a key that came with each, the newest first.
APPEARED = (
    ("5.0.0", "httpRoute.parentRefs"),
    ("4.3.0", "httpRoute"),
    ("4.0.0", "ingress.extraPaths"),
    ("2.0.0", "rbac.create"),
)
# Older than this and newer than that a chart is not what jhaws is made for.
OLDEST, NEWEST = "4.3.0", "5.0.0"

# Options of the hub's classes; the first two have JupyterHub's own word for it, the others OAuthenticator's.
OPTIONS = {
    "whitelist": "allowed_users",
    "blacklist": "blocked_users",
    "github_organization_whitelist": "allowed_organizations",
    "gitlab_group_whitelist": "allowed_gitlab_groups",
    "gitlab_project_id_whitelist": "allowed_project_ids",
    "google_group_whitelist": "allowed_google_groups",
    "image_spec": "image",
}


def find_rename(path: Path) -> Rename | None:
    """Return the row for a key or for what it is in, None where it was never renamed."""
    if path[:2] == ("hub", "config"):
        return _find_option(path)
    for length in range(len(path), 0, -1):
        if row := BY_NAME.get(dotted(path[:length])):
            return row
    return None


def _find_option(path: Path) -> Rename | None:
    """Return a row for an option that JupyterHub, OAuthenticator or KubeSpawner 0.9 renamed."""
    if len(path) < 4:
        return None
    name = str(path[3])
    new = OPTIONS.get(name, name.removeprefix("singleuser_"))
    if name.startswith("user_storage_"):
        new = name.removeprefix("user_")
    if new == name:
        return None
    return Rename(dotted(path[:4]), "", dotted((*path[:3], new)))


def schema_has(schema: Mapping[str, Any], key: str) -> bool:
    """Say whether z2jh's schema knows a dotted key."""
    path: Path = ()
    for part in key.split("."):
        path = (*path, "properties", part)
    return value_at(schema, path) is not None


def schema_age(schema: Mapping[str, Any]) -> str:
    """Return the chart that z2jh's schema is at least from, by the keys it has; "" where it is older than 2.0.0.

    A schema has no version in it, and old keys stay in it long after the chart refuses them.
    """
    return next((chart for chart, key in APPEARED if schema_has(schema, key)), "")


def version(text: str) -> tuple[int, ...]:
    """Return a chart's version as numbers that can be compared; "" is before all."""
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
