"""What is a path on this machine, and what is an address."""

import pathlib

import pytest

from tfmodels import local_paths
from tfmodels.settings import broken_rule
from tfmodels.settings import named
from tfmodels.settings import setting
from tfmodels.settings import with_home


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a.csv",
        "./gs://bucket",
        "/mnt/gs:/x",
        "C:/data",
        "train[:90%]",
        "huggingface:ag_news/default",
        "mnist:3.0.1",
        "~",
        "~/a",
        "~root/a",
        "a~/b",
        "part-*.csv",
        "a$b.csv",
        "./$HOME",
        "./a/$HOME",
        "a/$b/100%",
        "US$A",
        "100%",
    ],
)
def test_a_path(path):
    assert local_paths.problem(path) is None


@pytest.mark.parametrize(
    "address, hint",
    [
        (
            "gs://b/x",
            "mount the bucket, `gcsfuse BUCKET DIR`, and name DIR",
        ),
        ("gs:/b/x", "mount the bucket, `gcsfuse BUCKET DIR`, and name DIR"),
        ("GS://b/x", "mount the bucket, `gcsfuse BUCKET DIR`, and name DIR"),
        (
            "s3a://b/x",
            "mount the bucket, `mount-s3 BUCKET DIR`, and name DIR",
        ),
        (
            "hdfs://h:8020/x",
            "mount it through the NFS gateway of HDFS, `mount -t nfs -o "
            "vers=3,proto=tcp,nolock HOST:/ DIR`, and name DIR",
        ),
        (
            "abfss://c@a.dfs.core.windows.net/x",
            "mount the container, `blobfuse2 mount DIR "
            "--container-name=CONTAINER`, and name DIR",
        ),
        ("dbfs:/x", "Databricks mounts it as /dbfs, so name /dbfs/PATH"),
        (
            "https://example.com/a.csv",
            "download it, `curl -LO ADDRESS`, and name the file",
        ),
        (
            "hf://datasets/x",
            "download it, `hf download NAME --local-dir DIR`, and name DIR",
        ),
        ("file:///data/a.csv", "leave out file://"),
        ("package://pkg/x", "copy the files to this machine"),
        ("oss://b/x", "copy the files to this machine"),
    ],
)
def test_an_address_is_refused_with_what_to_do(address, hint):
    assert local_paths.problem(address) == f"a path on this machine: {hint}"
    scheme = address.partition(":")[0].lower()
    assert local_paths.problem(address, (scheme,)) is None


@pytest.mark.parametrize(
    "address, hint",
    [
        (
            "s3://b",
            "mount the bucket, `s3fs BUCKET DIR`, and name DIR; safer is a "
            "folder on a disk, which you copy there at the end",
        ),
        (
            "dbfs:/x",
            "Databricks mounts it as /dbfs, so name /dbfs/PATH; safer is a "
            "folder on a disk, which you copy there at the end",
        ),
        ("https://example.com/run", "name a folder"),
        ("file:///run", "leave out file://"),
    ],
)
def test_where_a_run_is_written_files_can_be_renamed(address, hint):
    expected = f"a path on this machine: {hint}"
    assert local_paths.problem(address, is_written=True) == expected


def test_a_user_without_a_home_is_refused():
    assert local_paths.problem("~no-such-user/x") == (
        "a path on this machine: ~no-such-user has no home directory here; a "
        "file of that name is ./~no-such-user"
    )


def test_only_settings_that_are_paths_have_a_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    path = named(setting("", "A path.", is_path=True), "path", str)
    paths = named(setting((), "Paths.", is_path=True), "paths", tuple[str, ...])
    text = named(setting("", "A text."), "text", str)
    assert with_home(path, "~/a") == "/home/me/a"
    assert with_home(paths, ["~/a", "b"]) == ("/home/me/a", "b")
    assert with_home(text, "~/a") == "~/a"
    assert with_home(path, 3) == 3
    assert broken_rule(text, "s3://a") is None
    assert broken_rule(paths, ("a", "file:///b")) == (
        "a path on this machine: leave out file://"
    )


@pytest.mark.parametrize(
    "path, name",
    [
        ("$HOME/run", "$HOME"),
        ("${DATA_DIR}/a.csv", "${DATA_DIR}"),
        ("%USERPROFILE%/run", "%USERPROFILE%"),
    ],
)
def test_a_variable_that_nothing_has_replaced(path, name):
    assert local_paths.problem(path) == (
        f"a path on this machine: nothing has replaced {name}; write the path "
        f"itself; a file of that name is ./{name}"
    )


@pytest.mark.parametrize(
    "path, name",
    [
        ("{}/$USER/run", "$USER"),
        ("{}/run-$SLURM_JOB_ID", "$SLURM_JOB_ID"),
        ("{}/${{x}}.csv", "${x}"),
        ("{}/%USERNAME%/run", "%USERNAME%"),
    ],
)
def test_a_variable_behind_the_start_is_a_name_only_if_it_exists(
    path, name, tmp_path
):
    path = path.format(tmp_path)
    assert local_paths.problem(path) == (
        f"a path on this machine: nothing has replaced {name}, and nothing "
        "there has this name; write the path itself"
    )
    pathlib.Path(path).mkdir(parents=True)
    assert local_paths.problem(path) is None


def test_a_page_of_hugging_face_is_a_name_of_a_preset():
    page = "https://huggingface.co/prajjwal1/bert-tiny/tree/main"
    assert local_paths.problem(page, schemes=("hf",)) == (
        "a path or a name: of this page, it is hf://prajjwal1/bert-tiny"
    )
    assert local_paths.problem(page) == (
        "a path on this machine: download it, `curl -LO ADDRESS`, and name the "
        "file"
    )
