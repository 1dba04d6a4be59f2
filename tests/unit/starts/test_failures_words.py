"""The words in which Kubernetes, its autoscalers, NFS clients and registries say one and the same thing."""

import pytest

from jhaws.starts.failures import Surroundings, find_failure, too_long

from .pods import (
    EARLY,
    KARPENTER,
    LATE,
    NFS_MOUNT,
    RUNNING,
    SETUP,
    container,
    ended,
    event,
    mounting,
    pull,
    pulling,
    starting,
    unplaced,
    waiting,
)

NODES = "0/3 nodes are available: "
SCHEDULER = [
    ("no_room", "3 Insufficient cpu."),
    ("no_room", "3 Insufficient nvidia.com/gpu."),
    (
        "no_room",
        "3 Too many pods. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
    ),
    ("no_room", "3 node(s) exceed max volume count."),
    ("no_room", "1 Insufficient memory, 2 node(s) had volume node affinity conflict."),
    ("no_room", "3 node(s) were unschedulable."),
    ("no_room", "3 node(s) were unschedulable. preemption: 0/3 nodes are available: 3 Preemption is not helpful"),
    ("no_room", "3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."),
    ("no_room", "3 node(s) had untolerated taint {node.cloudprovider.kubernetes.io/uninitialized: true}."),
    ("no_node_fits", "3 node(s) had untolerated taint {hub.jupyter.org/dedicated: core}."),
    ("no_node_fits", "3 node(s) didn't match pod affinity rules."),
    ("volume_in_other_zone", "3 node(s) had no available volume zone."),
    ("pvc_missing", 'persistentvolumeclaim "claim-ada" bound to non-existent persistentvolume "pvc-1".'),
]
NOT_TRIGGERED = "pod didn't trigger scale-up: "
AUTOSCALERS = [
    ("no_room", NOT_TRIGGERED + "max total nodes in cluster reached"),
    ("no_room", NOT_TRIGGERED + "1 max cluster cpu, memory limit reached, 1 node(s) had untolerated taint(s)"),
    ("no_room", NOT_TRIGGERED + "1 not ready for scale-up"),
    ("no_node_fits", "pod didn't trigger scale-up (it wouldn't fit if a new node is added)"),
    ("no_node_fits", NOT_TRIGGERED + "1 node(s) had untolerated taint(s)"),
    ("volume_in_other_zone", NOT_TRIGGERED + "2 node(s) had volume node affinity conflict"),
    ("volume_in_other_zone", NOT_TRIGGERED + "2 node(s) didn't match PersistentVolume's node affinity"),
    ("volume_in_other_zone", NOT_TRIGGERED + "2 node(s) had no available volume zone"),
    ("no_room", KARPENTER + "node limits have been exhausted for nodepool (NodePool=user)"),
    ("no_room", KARPENTER + "nodepool requirements filtered out all available instance types"),
    ("no_room", KARPENTER + "no instance type has the required offering, requirements=a In [b], resources={}"),
    ("no_node_fits", KARPENTER + "no dynamic nodepools found"),
    ("no_node_fits", KARPENTER + "incompatible requirements, key hub, hub In [x] not in hub In [y]"),
    ("no_node_fits", KARPENTER + 'label "hub" does not have known values'),
    ("no_node_fits", KARPENTER + "no instance type has enough resources, requirements=a In [b], resources={}"),
    (
        "no_node_fits",
        KARPENTER + "no instance type which met the scheduling requirements and the required offering had the required "
        "resources, requirements=a In [b], resources={}",
    ),
    ("volume_in_other_zone", KARPENTER + "incompatible volume requirements, key topology.kubernetes.io/zone"),
]
UNSAID = [
    NOT_TRIGGERED,
    KARPENTER + "ignoring pod, failed to validate pvc, pvc with immediate volume binding mode must be bound",
    KARPENTER + "ignoring pod, failed to validate pvc, unbound pvc must define a storage class",
    KARPENTER + 'ignoring pod, persistentvolumeclaims "claim-ada" not found; no instance type has enough resources',
]
BINDING = [
    "pod has unbound immediate PersistentVolumeClaims",
    'waiting for ephemeral volume controller to create the persistentvolumeclaim "scratch"',
    "ignoring pod, failed to validate pvc, failed to get storage class",
    "pvc, unbound pvc must define a storage class",
    'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "claim-ada"',
]
NFS = [
    ("nfs_refused", 2, "mounting drive:/ failed, reason given by server: Permission denied"),
    ("nfs_refused", 2, "Operation not permitted"),
    ("nfs_no_export", 2, "Stale file handle"),
    ("nfs_no_client", 2, "unknown filesystem type 'nfs'"),
    ("nfs_no_client", 2, "mount: /mnt: wrong fs type, bad superblock, missing codepage or helper program"),
    ("nfs_no_client", 2, "No such device"),
    ("nfs_no_client", 2, "Protocol not supported"),
    ("nfs_no_client", 2, "requested NFS version or transport protocol is not supported"),
    ("nfs_unreachable", 4, "No route to host"),
    ("nfs_unreachable", 4, "Network is unreachable"),
    ("nfs_unreachable", 4, "Host is down"),
    ("nfs_unreachable", 4, "Failed to resolve server drive"),
    ("nfs_unreachable", 4, "Failed to resolve server drive: Name or service not known"),
    ("nfs_unreachable", 4, "drive: Name or service not known"),
    ("nfs_unreachable", 4, "Temporary failure in name resolution"),
    ("nfs_unreachable", 4, "lookup drive: no such host"),
]
EFS = 'MountVolume.SetUp failed for volume "home" : rpc error: code = Internal desc = Could not mount "fs-0a1b2c3d:/": '
OTHER_MOUNTS = [
    ("nfs_refused", 2, EFS + "AccessDenied: not authorized"),
    ("nfs_no_export", 2, EFS + 'The file system "x" does not exist'),
    ("nfs_unreachable", 1, 'MountVolume.SetUp failed for volume "efs-home" : rpc error: code = DeadlineExceeded desc'),
    ("config_missing", 3, 'MountVolume.SetUp failed for volume "files" : configmap "course" not found'),
    (
        "config_missing",
        3,
        'MountVolume.SetUp failed for volume "files" : configmap references non-existent config key: a',
    ),
    ("service_account_missing", 3, SETUP + "failed to fetch token: serviceaccounts is forbidden"),
    ("volume_gone", 3, 'AttachVolume.Attach failed for volume "pvc-1" : volume vol-0a1b does not exist'),
    ("volume_gone", 3, 'error processing PVC hub/claim-ada: persistentvolume "pvc-1" not found'),
    ("volume_failed", 9, 'MapVolume.SetUpDevice failed for volume "pvc-1" : rpc error'),
    # Not NFS: what reads alike has another reason.
    ("volume_failed", 9, SETUP + "Permission denied"),
    ("volume_failed", 9, SETUP + "No such file or directory"),
    ("volume_failed", 9, SETUP + "rpc error: connection timed out"),
    ("volume_failed", 9, SETUP + "Connection refused"),
    ("volume_failed", 9, SETUP + "wrong fs type"),
]
PASSING = [
    'MountVolume.SetUp failed for volume "kube-api-access-x" : object "hub"/"kube-root-ca.crt" not registered',
    SETUP + "failed to sync configmap cache: timed out waiting for the condition",
    'AttachVolume.Attach failed for volume "pvc-1" : CSINode ip-10-0-1-7 does not contain driver ebs.csi.aws.com',
    'AttachVolume.Attach failed for volume "pvc-1" : volume attachment is being deleted',
    'AttachVolume.Attach failed for volume "pvc-1" : node "ip-10-0-1-7" has no NodeID annotation',
    "error processing PVC hub/claim-ada: PVC is not bound",
    'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node',
]
PULLS = [
    ("image_not_found", 2, "quay.io/org/course:9: manifest unknown"),
    ("image_not_found", 2, "repository does not exist"),
    ("image_not_found", 2, "NAME_UNKNOWN: The repository with name 'course' is unknown"),
    ("image_not_found", 2, "no match for platform in manifest"),
    ("image_refused", 2, "unexpected status: 401 Unauthorized"),
    ("image_refused", 2, "authorization failed"),
    ("image_refused", 2, "denied: requested access to the resource"),
    ("image_refused", 2, "403 Forbidden"),
    ("image_refused", 2, "no basic auth credentials"),
    ("image_refused", 2, "the signature validation failed"),
    ("registry_unreachable", 3, "dial tcp 10.1.2.3:443: connect: no route"),
    ("registry_unreachable", 3, "read: i/o timeout"),
    ("registry_unreachable", 3, "net/http: TLS handshake timeout"),
    ("registry_unreachable", 3, "remote error: TLS handshake failure"),
    ("registry_unreachable", 3, "context deadline exceeded"),
    ("registry_unreachable", 3, "read: connection reset by peer"),
    ("registry_unreachable", 3, "lookup quay.example: no such host"),
    ("registry_unreachable", 3, "x509: certificate signed by unknown authority"),
    ("registry_unreachable", 3, "the registry is unavailable"),
    ("registry_unreachable", 3, "toomanyrequests: You have reached your pull rate limit"),
    ("registry_unreachable", 3, "unexpected status from HEAD request to https://quay.io/v2/: 503 Service Unavailable"),
    ("registry_unreachable", 3, 'failed to do request: Head "https://quay.io/v2/": EOF'),
]
SETTINGS = [
    ("config_missing", "CreateContainerConfigError", 'secret "course" not found'),
    ("config_missing", "CreateContainerConfigError", "couldn't find any keys in ConfigMap hub/course"),
    ("config_missing", "CreateContainerConfigError", "configmap references non-existent config key: a"),
    ("command_not_found", "RunContainerError", 'exec: "jupyterhub-singleuser": stat /opt/x: no such file or directory'),
    ("command_not_found", "CreateContainerError", 'exec: "start.sh": permission denied: unknown'),
    ("command_not_found", "RunContainerError", "exec /usr/bin/tini: exec format error"),
]


@pytest.mark.parametrize(("reason", "words"), SCHEDULER)
def test_scheduler_words(reason: str, words: str) -> None:
    """What the scheduler says of the nodes is a matter of room, of fit, of a zone or of a claim."""
    failure = find_failure(unplaced(NODES + words), [], LATE)

    assert failure is not None
    assert failure.reason == reason


@pytest.mark.parametrize(("reason", "words"), AUTOSCALERS)
def test_autoscaler_words_count_at_once(reason: str, words: str) -> None:
    """An autoscaler that can do nothing for a pod ends its wait."""
    kind = "FailedScheduling" if words.startswith(KARPENTER) else "NotTriggerScaleUp"
    failure = find_failure(unplaced(NODES + "3 Insufficient cpu."), [event(kind, words)], EARLY)

    assert failure is not None
    assert failure.reason == reason


@pytest.mark.parametrize("words", UNSAID)
def test_an_autoscaler_that_waits_for_something_itself_ends_nothing(words: str) -> None:
    """An autoscaler without a reason, or one that waits for a volume, leaves the pod its patience."""
    kind = "FailedScheduling" if words.startswith(KARPENTER) else "NotTriggerScaleUp"

    assert find_failure(unplaced(NODES + "3 Insufficient cpu."), [event(kind, words)], EARLY) is None


@pytest.mark.parametrize("words", BINDING)
def test_a_volume_that_is_being_made_may_take_any_time(words: str) -> None:
    """While a first volume is made or bound the pod waits; when time is over, that is the reason."""
    late = too_long(unplaced(words), [], Surroundings(280))

    assert find_failure(unplaced(words), [], Surroundings(280)) is None
    assert late is not None
    assert late.reason == "volume_not_made"


@pytest.mark.parametrize(("reason", "tries", "words"), NFS)
def test_words_of_the_nfs_client(reason: str, tries: int, words: str) -> None:
    """What mount.nfs prints is final after its number of tries, and not one try before."""
    failure = find_failure(mounting(), [event("FailedMount", NFS_MOUNT + words, count=tries)], EARLY)

    assert failure is not None
    assert failure.reason == reason
    assert (
        find_failure(mounting(), [event("FailedMount", NFS_MOUNT + words, count=tries - 1)] * (tries > 1), EARLY)
        is None
    )


@pytest.mark.parametrize(("reason", "tries", "words"), OTHER_MOUNTS)
def test_words_of_other_mounts(reason: str, tries: int, words: str) -> None:
    """EFS counts as NFS; what another volume says alike is no NFS trouble."""
    kind = "FailedMapVolume" if words.startswith("Map") else "FailedMount"
    failure = find_failure(mounting(), [event(kind, words, count=tries)], EARLY)

    assert failure is not None
    assert failure.reason == reason
    assert find_failure(mounting(), [event(kind, words, count=tries - 1)] * (tries > 1), EARLY) is None


@pytest.mark.parametrize("words", PASSING)
def test_what_a_new_node_lacks_for_a_moment_ends_nothing(words: str) -> None:
    """A node that has just come does not know its drivers, Secrets and volumes yet."""
    assert find_failure(mounting(), [event("FailedMount", words, count=30)], LATE) is None


@pytest.mark.parametrize(("reason", "tries", "words"), PULLS)
def test_words_of_registries(reason: str, tries: int, words: str) -> None:
    """What a registry lacks or refuses is final at the second try, what may be the network's at the third."""
    failure = find_failure(pulling(words), [pull(words, tries)], EARLY)

    assert failure is not None
    assert failure.reason == reason
    assert find_failure(pulling(words), [pull(words, tries - 1)], EARLY) is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("CreateContainerConfigError", "cannot find volume"),
        ("CreateContainerError", "failed to reserve container name"),
        ("PreCreateHookError", "no CPUs"),
        ("PreStartHookError", "no CPUs"),
    ],
)
def test_a_container_that_cannot_be_made_has_three_tries(state: str, words: str) -> None:
    """Whatever else keeps a container from being made may pass, twice."""
    pod = starting(waiting(state, words))
    failure = find_failure(pod, [event("Failed", f"Error: {words}", container="notebook", count=3)], EARLY)

    assert failure is not None
    assert failure.reason == "container_not_made"
    assert find_failure(pod, [event("Failed", f"Error: {words}", container="notebook", count=2)], LATE) is None
    assert find_failure(pod, [event("Failed", "Error: ErrImagePull", container="notebook", count=9)], LATE) is None


@pytest.mark.parametrize("words", ["container init was OOM-killed", "memory limit too low?"])
def test_a_limit_too_low_to_begin_with_is_a_matter_of_memory(words: str) -> None:
    """A container whose memory is too little even to start says so in its last words."""
    failure = find_failure(starting(container(ended(128, "StartError", words))), [], EARLY)

    assert failure is not None
    assert failure.reason == "out_of_memory"


def test_a_server_whose_network_went_is_given_one_more_start() -> None:
    """A container that ends because its pod's network is made anew has not crashed; ending again, it has."""
    told = [event("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")]

    assert find_failure(starting(container(RUNNING, restarts=1, last=ended(1))), told, LATE) is None
    assert find_failure(starting(container(RUNNING, restarts=2, last=ended(1))), told, LATE) is not None


@pytest.mark.parametrize(("reason", "state", "words"), SETTINGS)
def test_words_of_a_container_that_cannot_be_made(reason: str, state: str, words: str) -> None:
    """What is missing in the settings or in the image is final at once."""
    failure = find_failure(starting(waiting(state, words)), [], EARLY)

    assert failure is not None
    assert failure.reason == reason


def test_the_admin_reads_what_the_home_is() -> None:
    """The detail of a volume's failure names PVC, ServiceAccount and NFS server where the hub knows them."""
    around = Surroundings(20, pvc_name="claim-ada", service_account="staff", nfs_server="drive")
    known = find_failure(mounting(), [event("FailedMount", NFS_MOUNT + "Connection timed out")], around)
    unknown = find_failure(mounting(), [event("FailedMount", NFS_MOUNT + "Connection timed out")], EARLY)
    claim = find_failure(unplaced(NODES + 'persistentvolumeclaim "claim-ada" not found.'), [], around)

    assert known is not None
    assert known.detail.startswith(
        "Pod hub/jupyter-ada (PVC claim-ada, ServiceAccount staff, home on NFS server drive): FailedMount, tries 1: M"
    )
    assert unknown is not None
    assert unknown.detail.startswith("Pod hub/jupyter-ada: FailedMount, tries 1: Mount")
    assert claim is not None
    assert claim.detail.startswith("Pod hub/jupyter-ada (PVC claim-ada) has no node: the scheduler says: 0/3")


@pytest.mark.parametrize(("waited", "fails"), [(9.9, False), (10, True)])
def test_a_claim_made_just_before_its_pod_has_ten_seconds(waited: float, fails: bool) -> None:
    """The scheduler may hear of a pod before it hears of its PVC."""
    pod = unplaced(NODES + 'persistentvolumeclaim "claim-ada" not found.')

    assert (find_failure(pod, [], Surroundings(waited)) is not None) is fails


@pytest.mark.parametrize(("waited", "fails"), [(44.9, False), (45, True)])
def test_a_pod_without_a_node_has_the_hubs_patience(waited: float, fails: bool) -> None:
    """Where no autoscaler speaks, a full cluster is full after 45 s."""
    assert (find_failure(unplaced(NODES + "3 Insufficient cpu."), [], Surroundings(waited)) is not None) is fails
