"""Homes without an NFS server: what z2jh and KubeSpawner set up stays as it is."""

from jhaws.local.api.resources import PODS, PVCS, STORAGECLASSES
from tests.hubclient import eventually

from .clusters import Place, hub_on_cluster

# What z2jh sets for `singleuser.storage.type: dynamic`, its default.
PVC_PER_USER = """
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.pvc_name_template = "claim-{user_server}"
c.KubeSpawner.volumes = {"v": {"name": "volume-{user_server}", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {"v": {"mountPath": "/home/jovyan", "name": "volume-{user_server}"}}
"""


def claim(place: Place, name: str) -> dict:
    return place.cluster.storage.get(PVCS, "default", f"claim-{name}")


async def test_a_user_has_a_claim_of_the_default_storage_class_and_keeps_what_is_in_it(tmp_path) -> None:
    """Without `nfs_server` each user's home is a PVC, which outlives the server."""
    async with hub_on_cluster(tmp_path, PVC_PER_USER) as place:
        await place.add_user("ada")
        await place.start_server("ada")
        folder = next(tmp_path.glob("cluster/pv/default/claim-ada"))
        (folder / "note.txt").write_text("kept")
        await place.stop_server("ada")
        await place.start_server("ada")

        assert (await place.contents("ada", "note.txt"))[1]["content"] == "kept"
        assert claim(place, "ada")["status"]["phase"] == "Bound"
        assert [volume["name"] for volume in place.pod("ada")["spec"]["volumes"]] == ["volume-ada"]


async def test_a_named_storage_class_is_asked_for(tmp_path) -> None:
    """`storage_class` reaches the claim; one that does not exist leaves the pod waiting and does no harm."""
    config = PVC_PER_USER + 'c.KubeSpawner.storage_class = "gp3"\n'
    async with hub_on_cluster(tmp_path, config) as place:
        await place.add_user("ada")
        await place.hub.api("POST", "users/ada/server")
        await eventually(lambda: place.cluster.storage.list(PVCS, "default"), what="the claim")
        assert claim(place, "ada")["spec"]["storageClassName"] == "gp3"

        pod = await eventually(lambda: place.pod("ada"), what="the pod")
        assert pod["status"]["phase"] == "Pending"
        place.cluster.storage.create(STORAGECLASSES, {"metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com"})
        await eventually(lambda: place.is_ready("ada"), within=60, what="ada's server")


async def test_an_nfs_home_takes_the_place_of_z2jhs_claim(tmp_path) -> None:
    """With `nfs_server` no PVC is made and the home is mounted once, whatever z2jh always mounts there."""
    config = PVC_PER_USER + 'c.JhawsSpawner.nfs_server = "drive"\n'
    async with hub_on_cluster(tmp_path, config) as place:
        await place.add_user("ada")
        await place.start_server("ada")

        assert place.cluster.storage.list(PVCS, "default") == []
        assert [volume["name"] for volume in place.pod("ada")["spec"]["volumes"]] == ["jhaws-nfs"]
        assert place.cluster.storage.list(PODS, "default") == [place.pod("ada")]
