"""What the user and the admin read of a failure, and the tables as a whole."""

import re

import pytest

from jhaws.starts.failures import TABLE, Surroundings, find_failure

from .pods import EARLY, FULL_NOW, LATE, container, ended, pull, pulling, starting, unplaced


def test_a_full_hub_says_how_many_run_and_what_to_do() -> None:
    """The user reads how full it is and what to do, in plain words; with nothing to count, no count."""
    failure = find_failure(unplaced(FULL_NOW), [], LATE)
    alone = find_failure(unplaced(FULL_NOW), [], Surroundings(50, servers_running=1))
    uncounted = find_failure(unplaced(FULL_NOW), [], Surroundings(50))

    assert failure is not None
    assert failure.message == (
        "There is no room for another server now; 37 are running. "
        "Try again in a few minutes, or choose a smaller profile."
    )
    assert alone is not None
    assert alone.message.startswith("There is no room for another server now; 1 is running. Try")
    assert uncounted is not None
    assert uncounted.message.startswith("There is no room for another server now. Try")


def test_the_admin_reads_the_last_words_on_one_line() -> None:
    """What a crashing server printed last is in the detail, on one line, so that it cannot forge lines of the log."""
    last = "Traceback:\n  File x\nImportError: no module jupyterhub"
    failure = find_failure(starting(container(ended(1, message=last))), [], EARLY)

    assert failure is not None
    assert "exit status 1, Error; last words: Traceback: | File x | ImportError" in failure.detail
    assert "\n" not in failure.detail
    assert "ImportError" not in failure.message


def test_long_last_words_are_cut_at_their_beginning() -> None:
    """Of a long message the end is kept: the last line tells most."""
    failure = find_failure(starting(container(ended(1, message="x" * 9000 + " the end"))), [], EARLY)

    assert failure is not None
    assert "the end" in failure.detail
    assert len(failure.detail) < 4000


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://ada:hunter22@registry.example/v2/", "hunter22"),
        ("https://bucket.s3.amazonaws.com/layer?X-Amz-Signature=abc123&X=1", "abc123"),
    ],
)
def test_credentials_in_an_address_stay_out_of_the_detail(url: str, secret: str) -> None:
    """What a registry's address carries (a password, a signature) reaches neither the user nor the log."""
    why = f"failed to copy: httpReadSeeker: failed open: GET {url}: 403 Forbidden"
    failure = find_failure(pulling(why), [pull(why)], EARLY)

    assert failure is not None
    assert "403 Forbidden" in failure.detail
    assert secret not in failure.detail + failure.message


KUBERNETES_WORDS = re.compile(
    r"\b(pods?|nodes?|containers?|namespace|PVC|volume|kube\w*|taint|ConfigMap|Secret|NFS|EBS|admission|quota|image)\b",
)


def test_users_read_no_words_of_kubernetes() -> None:
    """Every message is one or two plain sentences that say what to do."""
    for row in TABLE:
        words = row.message.replace("(image)", "")
        assert not KUBERNETES_WORDS.search(words), row.message
        assert row.message.endswith("."), row.message
        assert row.message.count(". ") <= 1, row.message
        assert re.search(r"[Tt]ry|[Tt]ell|[Cc]hoose|Start it again|Stop your", row.message), row.message
        assert re.fullmatch("[a-z_]+", row.reason), row.reason


def test_every_row_has_a_title_of_its_own_and_says_what_the_admin_does() -> None:
    """The docs page made from the table has no two rows of one name, and none without help."""
    titles = [row.title for row in TABLE]

    assert len(titles) == len(set(titles))
    assert all(row.mended_by.endswith(".") and len(row.mended_by) > 20 for row in TABLE)
