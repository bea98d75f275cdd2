"""Boxes work without root, and the level `user` keeps code to another account; both tried as those accounts."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from assay.isolation.platform_paths import PACKAGE

ACCOUNT = "nobody"
ROOT = PACKAGE.parents[1]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take on another account; all else ran as one")

_LET_THROUGH = """
set -e
for folder in {closed}; do
    mkdir -p /tmp/.kept
    mount -t tmpfs none /tmp/.kept
    mkdir /tmp/.kept/held
    mount --rbind "$folder" /tmp/.kept/held
    mount -t tmpfs -o mode=755 none "$folder"
    for needed in {needed}; do
        case "$needed" in "$folder"/*)
            mkdir -p "$needed"
            mount --rbind "/tmp/.kept/held${{needed#$folder}}" "$needed";;
        esac
    done
    umount -l /tmp/.kept
done
"""


def run_as(source, place, *, account):
    """Run Python as an account, or as root with the account's way cleared, in a mount namespace of its own.

    Where the interpreter or this checkout lies in a folder that others may not enter, the namespace shows the
    account a folder with nothing else in it.
    """
    needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix), ROOT]
    closed = {each for path in needed for each in path.parents if not each.stat().st_mode & 0o001}
    script = _LET_THROUGH.format(closed=" ".join(map(str, sorted(closed))), needed=" ".join(map(str, needed)))
    become = "" if account is None else f"setpriv --reuid={account} --regid={account_group()} --clear-groups"
    command = f'{script}\ncd {place}\nexec {become} {sys.executable} -c "$SOURCE"'
    environment = {"PATH": os.environ["PATH"], "SOURCE": source, "HOME": str(place), "TMPDIR": str(place)}
    if account is None:
        environment["ASSAY_TRAINING_USER"] = ACCOUNT
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    if "unshare failed" in done.stderr:
        pytest.skip(f"this machine makes no mount namespace: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def account_group():
    return pwd.getpwnam(ACCOUNT).pw_gid


@pytest.fixture
def place(tmp_path_factory):
    """A folder that every account can reach."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="assay-accounts-", dir="/var/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


_START = f"""
import json, os, sys
sys.path[:0] = [{str(ROOT)!r}, {str(PACKAGE.parent)!r}]
from pathlib import Path
import pytest
from assay.isolation import choose, probe
from tests.isolation.support import programmed
place = Path.cwd()
"""

BATTERY = (
    _START
    + """
answers = {"uid": os.getuid(), "reasons": probe(), "chosen": choose("auto")}
(place / "secret").write_text("secret")
for level in LEVELS:
    inside = place / level
    inside.mkdir(mode=0o711)
    rows = inside / "rows"
    rows.mkdir(mode=0o700)
    (rows / "f").write_text("rows")
    with pytest.MonkeyPatch.context() as patch, programmed(inside, patch, level, readable=[rows]) as run:
        answers[level] = run(f'''
Path("written").write_text("x")
answer = {{
    "uid": os.getuid(),
    "rows": Path({str(rows / "f")!r}).read_text(),
    "secret": error(lambda: Path({str(place / "secret")!r}).read_text()),
    "environ": error(lambda: Path("/proc/{os.getpid()}/environ").read_text()),
    "kill": error(lambda: os.kill({os.getpid()}, 0)),
    "socket": error(lambda: socket.socket()),
    "write": error(lambda: Path({str(rows / "g")!r}).write_text("x")),
    "chmod": error(lambda: os.chmod({str(rows / "f")!r}, 0o777)),
    "fork": subprocess.run(["/bin/true"]).returncode,
}}''')
    assert (inside / "scratch" / "written").read_text() == "x"
print(json.dumps(answers))
"""
)


def kept_apart(answer):
    assert (answer["rows"], answer["fork"]) == ("rows", 0)
    for refused in ("secret", "environ", "kill", "socket", "write", "chmod"):
        assert answer[refused], (refused, answer)


def test_boxes_work_without_root(place):
    os.chown(place, pwd.getpwnam(ACCOUNT).pw_uid, account_group())
    levels = ["landlock", "namespaces"]
    source = BATTERY.replace("LEVELS", f"[each for each in {levels!r} if not probe()[each]]")
    answers = run_as(source, place, account=ACCOUNT)
    assert answers["uid"] == pwd.getpwnam(ACCOUNT).pw_uid
    assert answers["reasons"]["landlock"] == ""
    assert answers["reasons"]["user"]
    kept_apart(answers["landlock"])
    if answers["reasons"]["namespaces"]:
        print("namespaces need root here:", answers["reasons"]["namespaces"])  # such as Ubuntu's AppArmor rule
    else:
        kept_apart(answers["namespaces"])


def test_another_account_reads_what_it_is_given_and_nothing_else(place):
    (place / "secret").touch(mode=0o600)
    answers = run_as(BATTERY.replace("LEVELS", '["user"]'), place, account=None)
    assert answers["reasons"]["user"] == ""
    assert answers["user"]["uid"] == pwd.getpwnam(ACCOUNT).pw_uid
    kept_apart(answers["user"])


TRAINING = (
    _START
    + """
import logging
logging.basicConfig(stream=sys.stdout, level="INFO")
from tests.evidence.support import files_of, make_case
from assay.evidence.training import train
case, module = make_case(place)
place.chmod(0o711)
made = train(case, files_of(module), folder=place / "job")
print(json.dumps([made.isolation, made.parity, (place / "job").exists()]))
"""
)


def test_a_model_is_trained_as_another_account(place):
    source = 'import os\nos.environ["ASSAY_ISOLATION"] = "user"\n' + TRAINING
    level, parity, left = run_as(source, place, account=None)
    assert (level, left) == ("user", False)
    assert parity < 1e-5


def test_a_folder_that_the_account_cannot_reach_is_told(place):
    (place / "closed" / "job").mkdir(parents=True)
    (place / "closed").chmod(0o700)
    source = (
        _START
        + """
from assay.core import UserError
place = place / "closed" / "job"
try:
    with pytest.MonkeyPatch.context() as patch, programmed(place, patch, "user") as run:
        print(json.dumps("no error"))
except UserError as error:
    print(json.dumps(str(error)))
"""
    )
    told = run_as(source, place, account=None)
    assert f"is {ACCOUNT}, which cannot pass through {place}/closed" in told
    assert "ASSAY_TRAINING_JOBS" in told
