"""Paths on this machine: `~`, and addresses that are none."""

import os
import re

# How to read the files below an address as files of this machine.
_MOUNTS = {
    "gs": "mount the bucket, `gcsfuse BUCKET DIR`, and name DIR",
    "s3": "mount the bucket, `mount-s3 BUCKET DIR`, and name DIR",
    "hdfs": "mount it through the NFS gateway of HDFS, `mount -t nfs -o "
    "vers=3,proto=tcp,nolock HOST:/ DIR`, and name DIR",
    "abfs": "mount the container, `blobfuse2 mount DIR "
    "--container-name=CONTAINER`, and name DIR",
    "dbfs": "Databricks mounts it as /dbfs, so name /dbfs/PATH",
    "http": "download it, `curl -LO ADDRESS`, and name the file",
    "hf": "download it, `hf download NAME --local-dir DIR`, and name DIR",
    "file": "leave out file://",
}
# A run renames files and folders. `mount-s3` cannot do that.
_WRITTEN = {
    "s3": "mount the bucket, `s3fs BUCKET DIR`, and name DIR",
    "http": "name a folder",
    "hf": "name a folder",
}
_SAFER = "; safer is a folder on a disk, which you copy there at the end"
_SAME = {
    "gcs": "gs",
    "s3a": "s3",
    "s3n": "s3",
    "viewfs": "hdfs",
    "webhdfs": "hdfs",
    "abfss": "abfs",
    "wasb": "abfs",
    "wasbs": "abfs",
    "az": "abfs",
    "adl": "abfs",
    "https": "http",
    "ftp": "http",
    "ftps": "http",
}
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/(/?)")
_USER = re.compile(r"~[^/]*")
# `$HOME/run`, `${HOME}/run`, `%USERPROFILE%/run`: nothing has replaced them.
_VARIABLE = re.compile(r"\$\w+|\$\{\w+\}|%\w+%")
# The same behind the start, where only capital letters make it certain.
_INSIDE = re.compile(r"\$[A-Z][A-Z0-9_]+|\$\{\w+\}|%[A-Z][A-Z0-9_]+%")
_HUB = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([\w.-]+/[\w.-]+)"
)


def problem(path, schemes=(), is_written=False):
    """Returns what a text must be to be a path on this machine, or `None`.

    A library would take `gs://bucket/run` for a folder of the name `gs:` here.

    Args:
        path: str.
        schemes: Tuple of str. Addresses that are allowed, such as `package`.
        is_written: bool. Whether a run is written there.

    >>> problem("data/mails.csv"), problem("./gs://mine")
    (None, None)
    >>> problem("file:///data")
    'a path on this machine: leave out file://'
    """
    if found := _ADDRESS.match(path):
        scheme = found[1].lower()
        kind = _SAME.get(scheme, scheme)
        known = _MOUNTS.get(kind)
        if is_written and known:
            known = _WRITTEN.get(kind, known)
            known += _SAFER if " mount" in f" {known}" else ""
        # `C:/x` is a path, but `gs:/x` is an address that lost a slash.
        is_address = bool(found[2]) or known is not None
        if is_address and scheme not in schemes:
            hint = known or "copy the files to this machine"
            hub = _HUB.match(path)
            if hub and "hf" in schemes:
                return f"a path or a name: of this page, it is hf://{hub[1]}"
            return f"a path on this machine: {hint}"
    if variable := _VARIABLE.match(path):
        return (
            f"a path on this machine: nothing has replaced {variable[0]}; "
            f"write the path itself; a file of that name is ./{variable[0]}"
        )
    variable = _INSIDE.search(path)
    if variable and not (path.startswith("./") or os.path.lexists(path)):
        return (
            f"a path on this machine: nothing has replaced {variable[0]}, and "
            "nothing there has this name; write the path itself"
        )
    user = _USER.match(path)
    if user and os.path.expanduser(user[0]) == user[0]:
        return (
            f"a path on this machine: {user[0]} has no home directory here; a "
            f"file of that name is ./{user[0]}"
        )
    return None


def expanded(path):
    """Returns a path with the home directory in place of `~` or `~user`.

    A shell does not replace the `~` of `--flag=~/x`.

    Args:
        path: str.
    """
    return os.path.expanduser(path)
