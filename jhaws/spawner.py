"""JhawsSpawner: KubeSpawner with NFS homes, nodegroups, IAM roles and course repositories in every server.

It is KubeSpawner in everything else: each of its traits, hooks and templates keeps its meaning, also when set as
`c.KubeSpawner.*`. The overrides here are a few lines each; what is in a pod is decided in `jhaws.pods`, without I/O,
and merged into KubeSpawner's manifest before the operator's `modify_pod_hook` sees it. How a server comes up, and how
the hub learns of it, is in `jhaws.starts`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, ClassVar

from traitlets import Bool, Dict, Enum, Float, List, TraitType, Unicode, Union, validate

from .errors import ConfigError
from .names import DATABASE_LABEL, HUB_LABEL, folder_path
from .options import configured_value
from .pods import ends, gitpuller, homes, iam, merging, nodegroups, profiles
from .pods.nodegroups import Nodegroup
from .starts.addresses import resolve_service
from .starts.attempt import StartError
from .starts.failures import Failure, Surroundings
from .starts.reconcile import UnknownPods
from .starts.reporting import ReportingSpawner
from .starts.resuming import ResumingSpawner

GIB = 2**30  # bytes
DEFAULT_UID = 1000  # jovyan, in the Jupyter images and in z2jh's default values
DEFAULT_GID = 100  # users, ditto


def _table(help_text: str) -> TraitType[Any, Any]:
    """A list of entries, or a mapping whose values count in the order of their keys, as in KubeSpawner."""
    return Union([List(), Dict()], config=True, help=help_text)


class JhawsSpawner(ReportingSpawner, ResumingSpawner):
    """Spawns each server as a pod with its NFS home and shares, on its nodegroup, with its IAM role and courses."""

    nfs_server = Unicode(
        "",
        config=True,
        help="""
        The NFS server that has the homes and shares: a Kubernetes Service, a host, or an EFS file system's name.

        Empty (the default) leaves the storage that z2jh or KubeSpawner sets up: a PVC per user. When set, homes come
        from here; KubeSpawner then makes no PVC, and a volume that z2jh mounts at `home_mount` gives way.
        Kubernetes' nodes mount it, so it must be a name that they can resolve. The one exception are Services, which
        no node knows: for a name without a dot, such as `drive`, or with `.svc` as in `drive.hubs.svc`, the hub puts
        the Service's address into the pod.

        Examples: "drive", "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com".
        """,
    )

    nfs_path = Unicode(
        "/",
        config=True,
        help="""
        The folder that the NFS server exports, an absolute path. Default "/", as EFS exports it.

        Homes and shares are folders below it.
        """,
    )

    nfs_home = Unicode(
        "home/{escaped_username}",
        config=True,
        help="""
        The folder of a user's home below `nfs_path`, a template with KubeSpawner's fields.

        It must name the user by an escaped field, so that no two users share a home and no name leads elsewhere. A
        name that would be longer than a file system takes (255 bytes) is cut and ends in a hash. The default keeps
        a user's folder the same whatever KubeSpawner's `slug_scheme` is. It begins with a folder for homes alone.

        A home stays when its user is deleted: whoever gets the same name later has the same home, so move it away
        first if that is another person.
        """,
    )

    nfs_prepare_home = Bool(
        True,
        config=True,
        help="""
        Make a missing home and give it to the user, by an init container that runs as root with the capability CHOWN.

        Its image is KubeSpawner's `image` as configured, never one that a profile or a user chose: it sees all homes.
        On by default, because Kubernetes makes a missing folder as root and the user could not write there. Turn it
        off in a namespace with the Pod Security level "restricted", and make the homes some other way.
        """,
    )

    home_mount = Unicode(
        "/home/jovyan",
        config=True,
        help="""
        Where the home is in the server, an absolute path. Default: that of the Jupyter images and of z2jh.

        Course repositories go there too, so set it as well when a PVC is the home and
        `singleuser.storage.homeMountPath` was changed.
        """,
    )

    shares = _table(
        """
        Folders of the NFS server that several users see. Requires `nfs_server`. Default: none.

        Fields: `name`; `mount`, default /NAME; `path` below `nfs_path`, default shares/NAME; `read_only`, default
        true; `groups`, default everybody. Of several shares with one mount the first that applies counts.

        Example: [{name: data, mount: /data, groups: [staff], read_only: false}, {name: data, mount: /data}].
        """
    )

    nodegroups = Dict(
        config=True,
        help="""
        What is known of the nodegroups for servers, by name. Default: none, servers go where Kubernetes puts them.

        Fields: `node_labels`, default the label of EKS managed nodegroups; `taints`, each "key=value:effect" or a
        mapping; `cpu_cores`, `memory_gib` and `usd_per_hour` of one node.

        Example: {jhusers: {node_labels: {hub.jupyter.org/node-purpose: user}, cpu_cores: 4, memory_gib: 16}}.
        """,
    )

    nodegroup = Unicode(
        "",
        config=True,
        help="""
        The nodegroup of a server whose profile names none. Default: the first of `nodegroups`.

        In a profile it may stand beside `display_name`, or in `kubespawner_override`.
        """,
    )

    iam_roles = _table(
        """
        Which AWS IAM role a server has: the first row that applies to the user. Default: none.

        Fields: `role`, put into the pod's annotation iam.amazonaws.com/role for kiam or kube2iam, or
        `service_account`, a Kubernetes ServiceAccount tied to a role by EKS (IRSA, Pod Identity); `groups`, default
        everybody. Fields of KubeSpawner's templates are expanded, escaped.

        Example: [{groups: [staff], service_account: staff}, {role: "arn:aws:iam::123456789012:role/{username}"}].
        """
    )

    git_repos = _table(
        """
        Course repositories that come into the home when a server starts, in the background. Default: none.

        Fields: `url`; `branch`, default the remote's; `directory` in the home, default the repository's name;
        `groups`, default everybody. Pulled with nbgitpuller's `gitpuller` where the image has it, else cloned once
        with git. A pull that fails or hangs never fails the start; .jhaws-gitpuller.log in the home says what
        happened.

        Example: [{url: "https://github.com/org/course", branch: main, directory: course}].
        """
    )

    unknown_pods = Enum(
        [each.value for each in UnknownPods],
        UnknownPods.REPORT.value,
        config=True,
        help="""
        What is done about a running pod that this hub made and does not know any more. Default: "report".

        "report" is a dry run: the log says what would be done. "delete" deletes such a pod; homes and PVCs stay.
        "adopt" gives it back to its user, where the hub still knows the server's token, and else reports it.

        Only pods with this hub's labels and its database's id count, older than `start_timeout` and unknown in two
        rounds of `reconcile_interval`. After the loss of the database its pods are left alone, whatever this says.
        """,
    )

    reconcile_interval = Float(
        300.0,
        min=0.0,
        config=True,
        help="""
        How often pods and servers are compared, in seconds, from hub start on. Default 300; 0 turns it off.

        Pods that have ended are then deleted, unless `delete_stopped_pods` is off; for running ones see
        `unknown_pods`. It asks the hub's own watch of pods, so Kubernetes does not notice it.
        """,
    )

    @validate("nfs_server")
    def _validate_nfs_server(self, proposal: Any) -> Any:
        if not re.fullmatch(r"[\w.:\[\]-]*", proposal.value):
            raise ConfigError(
                f"JhawsSpawner.nfs_server must be a host name or an address, got {proposal.value!r}. The exported "
                "folder belongs into nfs_path."
            )
        return proposal.value

    @validate("nfs_home")
    def _validate_nfs_home(self, proposal: Any) -> Any:
        return homes.check_home_template(proposal.value)

    @validate("nfs_path", "home_mount")
    def _validate_path(self, proposal: Any) -> Any:
        if proposal.trait.name == "nfs_path" and proposal.value == "/":
            return proposal.value
        return homes.check_mount(f"JhawsSpawner.{proposal.trait.name}", proposal.value)

    @validate("shares", "nodegroups", "iam_roles", "git_repos")
    def _validate_table(self, proposal: Any) -> Any:
        READERS[proposal.trait.name](f"JhawsSpawner.{proposal.trait.name}", proposal.value)
        return proposal.value

    # What marks this hub's pods; set when the hub starts. The database can be asked only when the hub has opened it.
    hub_id: ClassVar[str] = ""
    database_id: ClassVar[Any] = staticmethod(lambda: "")

    _nfs_address: str = ""  # what this start found for nfs_server
    _told_of: tuple[str, int] | None = None  # the pod and its count of restarts that were last told of

    def _read(self, option: str) -> Any:
        """Return the records of one of our tables."""
        return READERS[option](f"JhawsSpawner.{option}", getattr(self, option))

    def _get_initialized_profile_list(self, profile_list: Any) -> Any:
        return profiles.with_nodegroups(super()._get_initialized_profile_list(profile_list))

    def nodegroup_name(self) -> str:
        """Return the name of this server's nodegroup, "" where none is configured or it names an unknown one."""
        return next((name for name in self._read("nodegroups") if name == (self.nodegroup or name)), "")

    async def load_user_options(self) -> None:
        """Apply the chosen profile, as KubeSpawner does; with an NFS home there is then no PVC to make."""
        await super().load_user_options()
        if self.nfs_server:
            self.storage_pvc_ensure = False

    @classmethod
    def is_ours(cls, pod: Any) -> bool:
        """Say whether a pod may be this hub's: it has this hub's label, or none, as before jhaws was used."""
        labels = pod["metadata"].get("labels") or {}
        return bool(labels.get(HUB_LABEL, cls.hub_id) == cls.hub_id)

    async def poll(self) -> Any:
        """Say whether the server runs, as KubeSpawner does, and tell when Kubernetes had to restart it."""
        status = await super().poll()
        pod = self.pod_reflector.pods.get(f"{self.namespace}/{self.pod_name}")
        if status is None and pod:
            self._tell_of_restarts(pod)
        return status

    def _tell_of_restarts(self, pod: Any) -> None:
        count, how = ends.restarts_of(pod)
        told = (pod["metadata"]["uid"], count)
        if count and told != self._told_of:
            self._told_of = told
            self.log.warning(
                "The process of %s's server ended (%s) and Kubernetes restarted it; running kernels were lost.",
                self._log_name,
                how,
            )

    async def get_pod_manifest(self) -> Any:
        """Make KubeSpawner's manifest and merge jhaws's parts into it.

        Returns:
            V1Pod, as KubeSpawner's own, so hooks written for it go on working.

        Raises:
            ConfigError: The options and this user's choice do not go together.
        """
        self._nfs_address = await resolve_service(self.nfs_server) if self.nfs_server else ""
        pod = await super().get_pod_manifest()
        merging.merge_parts(pod, self.make_parts(pod))
        if self.nfs_server and self.pvc_name in merging.claims_of(pod):
            raise ConfigError(
                "The home comes from JhawsSpawner.nfs_server, so the user's PVC is not made, but another mount than "
                f"that of {self.home_mount} still wants it. If that mount is the home (z2jh's "
                "singleuser.storage.homeMountPath), set JhawsSpawner.home_mount to that path; otherwise take it out "
                "of init_containers, extra_containers or volume_mounts."
            )
        return pod

    def make_parts(self, pod: Any) -> merging.Parts:
        """Decide what jhaws adds to `pod`, KubeSpawner's V1Pod of this server."""
        member_of = frozenset(group.name for group in self.user.groups)
        storage = self._storage(member_of)
        group = nodegroups.choose(self._read("nodegroups"), self.nodegroup)
        if group:
            self._check_size(group)
        role, account = self._iam_role(member_of)
        return merging.Parts(
            volumes=tuple(homes.make_volumes(storage)) if storage else (),
            mounts=tuple(homes.make_mounts(storage)) if storage else (),
            init_containers=self._init_containers(storage, pod),
            node_requirements=tuple(nodegroups.make_node_requirements(group)) if group else (),
            tolerations=tuple(nodegroups.make_tolerations(group)) if group else (),
            labels={HUB_LABEL: self.hub_id, DATABASE_LABEL: self.database_id()} if self.hub_id else {},
            annotations={iam.ROLE_ANNOTATION: role} if role else {},
            service_account=account,
            post_start=self._post_start(pod, member_of),
        )

    def _check_size(self, group: Nodegroup) -> None:
        """Refuse a server that no node of its nodegroup can ever hold: waiting for one would be in vain."""
        memory = self.mem_guarantee / GIB if self.mem_guarantee else None
        if misfit := nodegroups.find_misfit(group, cpu_cores=self.cpu_guarantee, memory_gib=memory):
            message = "This server is larger than any machine here. Choose a smaller profile, or ask for a larger one."
            raise StartError(Failure(reason="no_node_fits", message=message, detail=misfit))

    def _iam_role(self, member_of: frozenset[str]) -> tuple[str, str]:
        """Return the annotated role and the ServiceAccount of this user; one of them or both are empty."""
        row = iam.role_for(self._read("iam_roles"), member_of)
        if row is None:
            return "", ""
        if row.role:
            return self._expand_user_properties(row.role), ""
        return "", iam.check_service_account(self._expand_user_properties(row.service_account))

    def _surroundings(self) -> Surroundings:
        return replace(super()._surroundings(), nfs_server=self.nfs_server)

    def _storage(self, member_of: frozenset[str]) -> homes.Storage | None:
        if not self.nfs_server:
            return None
        return homes.Storage(
            server=self._nfs_address or self.nfs_server,
            path=self.nfs_path,
            homes=homes.homes_folder(self.nfs_home),
            home=folder_path(self._expand_user_properties(self.nfs_home)),
            home_mount=self.home_mount,
            shares=homes.shares_for(self._read("shares"), member_of),
        )

    def _init_containers(self, storage: homes.Storage | None, pod: Any) -> tuple[merging.Manifest, ...]:
        if storage is None or not self.nfs_prepare_home:
            return ()
        server = self._plain(pod.spec.containers[0].security_context)
        whole = self._plain(pod.spec.security_context)
        uid = server.get("runAsUser", whole.get("runAsUser", DEFAULT_UID))
        gid = server.get("runAsGroup", whole.get("fsGroup", DEFAULT_GID))
        # Not self.image: a profile may let users choose any image, and this container sees all homes as root.
        image = configured_value(type(self), self.config, "image")
        return (homes.make_init_container(storage, image=image, uid=uid, gid=gid),)

    def _post_start(self, pod: Any, member_of: frozenset[str]) -> merging.Manifest | None:
        wanted = gitpuller.repositories_for(self._read("git_repos"), member_of)
        if not wanted:
            return None
        existing = self._plain(pod.spec.containers[0].lifecycle).get("postStart") or {}
        if existing and "exec" not in existing:
            self.log.warning(
                "JhawsSpawner.git_repos is not pulled for %s: lifecycle_hooks.postStart is no exec command. "
                "Make it one, or leave it out.",
                self._log_name,
            )
            return None
        script = gitpuller.make_script(wanted, home=self.home_mount)
        return gitpuller.make_post_start(script, (existing.get("exec") or {}).get("command"))

    def _plain(self, model: Any) -> Any:
        """Return a model of the Kubernetes client as the API server reads it, camelCase keys; {} for None."""
        return self.api.api_client.sanitize_for_serialization(model) or {}


READERS = {
    "shares": homes.read_shares,
    "nodegroups": nodegroups.read_nodegroups,
    "iam_roles": iam.read_roles,
    "git_repos": gitpuller.read_repositories,
}
