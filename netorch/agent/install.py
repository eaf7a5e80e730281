"""Unpacks the agent on a device. Sent as text (``python3 -c``) with the zipapp on standard input: it stands alone.

Arguments: the folder that holds the versions, and the zipapp's sha256. Written so that any Python 3 gets as far as to say
that it is too old. Unpacked rather than kept as one file, since Python keeps no bytecode for modules in a zip file: that
would cost more at every call than everything else together.
"""

import sys

OLDEST = (3, 9)
KEPT = 3
FAILED = 91


def install(folder: str, sha256: str) -> None:
    """Verify and unpack what comes on standard input as ``folder/sha256``; keep the newest versions only."""
    import compileall
    import hashlib
    import io
    import os
    import shutil
    import tempfile
    import zipfile

    data = sys.stdin.buffer.read()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"the agent arrived damaged: sha256 {found}, expected {sha256}")
    os.umask(0o077)
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, sha256)
    new = tempfile.mkdtemp(prefix=".new-", dir=folder)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(new)
        compileall.compile_dir(new, quiet=2)
        if not os.path.exists(target):
            os.rename(new, target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    boot = os.path.join(os.path.dirname(folder), "boot")  # which one the next boot of the machine runs
    used = {sha256, os.path.basename(os.readlink(boot)) if os.path.islink(boot) else ""}
    others = [
        os.path.join(folder, name) for name in os.listdir(folder) if name not in used and not name.startswith(".")
    ]
    others.sort(key=os.path.getmtime, reverse=True)
    for old in others[KEPT - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    status = FAILED
    if sys.version_info < OLDEST:
        sys.stderr.write(f"python3 is {sys.version.split()[0]} here, the agent needs 3.9 or later\n")
    else:
        try:
            install(sys.argv[1], sys.argv[2])
            status = 0
        except (OSError, ValueError) as exc:
            sys.stderr.write(f"{exc}\n")
    raise SystemExit(status)
