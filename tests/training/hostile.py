"""What a hostile `train.py` tries, each as the source of a module whose `train` raises or gets through."""

HEAD = """\
import ctypes, os, socket, subprocess, sys, time
from pathlib import Path
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

HERE = Path(__file__).parent


def honest(features, label):
    columns = ColumnTransformer([("x", "passthrough", ["x"])])
    return Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(features, label)


def tried(what):
    try:
        found = what()
    except BaseException as error:
        print("REFUSED", type(error).__name__, error)
        return False
    print("REACHED", repr(found)[:200])
    return True

"""

SECRETS = """
def train(features, label, *, seed, parameters):
    for place in {places!r}:
        tried(lambda: Path(place).read_bytes())
        tried(lambda: os.listdir(Path(place).parent))
    for pid in [name for name in os.listdir("/proc") if name.isdigit()] if os.access("/proc", os.R_OK) else []:
        if tried(lambda: Path("/proc", pid, "environ").read_bytes()) and int(pid) > 3:
            print("PROCESS", pid)
    for name in os.environ:
        print("ENVIRONMENT", name)
    return honest(features, label)
"""

FRAME = """
def train(features, label, *, seed, parameters):
    import gc
    frame = sys._getframe()
    while frame is not None:
        for name, value in list(frame.f_locals.items()):
            print("LOCAL", name, getattr(value, "shape", ""))
        frame = frame.f_back
    for each in gc.get_objects():
        rows = getattr(each, "num_rows", None)
        if isinstance(rows, int):
            print("TABLE", rows)
    for path in sorted(HERE.parent.parent.rglob("*")):
        print("FILE", path.relative_to(HERE.parent.parent))
    return honest(features, label)
"""

PAYLOAD = """
def train(features, label, *, seed, parameters):
    exec(Path({place!r}).read_text(), globals())
    return honest(features, label)
"""

PTRACE = """
def train(features, label, *, seed, parameters):
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in {pids!r}:
        print("PTRACE", libc.ptrace(16, pid, 0, 0), ctypes.get_errno())
    return honest(features, label)
"""

SOCKETS = """
def connect(family, address):
    with socket.socket(family) as one:
        one.connect(address)
    return address


def train(features, label, *, seed, parameters):
    tried(lambda: connect(socket.AF_INET, ("127.0.0.1", {port})))
    tried(lambda: connect(socket.AF_UNIX, {path!r}))
    tried(lambda: connect(socket.AF_UNIX, "\\0" + {abstract!r}))
    tried(lambda: socket.getaddrinfo("localhost", {port}) and connect(socket.AF_INET6, ("::1", {port})))
    return honest(features, label)
"""

OUTLIVES = """
def train(features, label, *, seed, parameters):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                (HERE.parent.parent / "scratch" / "heartbeat").write_text(str(time.time()))
                time.sleep(0.02)
        os._exit(0)
    while not (HERE.parent.parent / "scratch" / "heartbeat").exists():
        time.sleep(0.01)
    return honest(features, label)
"""

WRITES = """
def train(features, label, *, seed, parameters):
    for place in {places!r}:
        tried(lambda: Path(place).write_text("x"))
        tried(lambda: os.chmod(Path(place).parent, 0o777))
        tried(lambda: os.utime(Path(place).parent))
    return honest(features, label)
"""

LINKS = """
def train(features, label, *, seed, parameters):
    for name in ("model.onnx", "reference.skops", "result.json"):
        os.symlink({place!r}, name)
    return honest(features, label)
"""

HARD_LINK = """
def train(features, label, *, seed, parameters):
    tried(lambda: os.link({place!r}, "stolen"))
    tried(lambda: os.link(HERE / "train.py", "own"))
    return honest(features, label)
"""

# It takes over the export: what comes out names weights in a file of the platform.
EXTERNAL = """
def train(features, label, *, seed, parameters):
    import onnx
    from assay.training import export as ours

    real = ours.export

    def spoiled(*given, **named):
        model = onnx.load_model_from_string(real(*given, **named))
        tensor = model.graph.initializer.add()
        tensor.name, tensor.data_type, tensor.data_location = "w", 1, 1
        tensor.dims.append(1)
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", {place!r}
        ours.check_parity = lambda *given, **named: 0.0
        return model.SerializeToString()

    ours.export = spoiled
    return honest(features, label)
"""

# It answers in the place of the box, and claims a decision rule of its own.
RULE = """
def train(features, label, *, seed, parameters):
    from assay.training import inside

    real = inside._write

    def spoiled(job, made, content):
        real(job, made, content)
        (job.scratch / "result.json").write_text('{{"threshold": 0.01, "by_group": null, "facts": {{}}}}')

    inside._write = spoiled
    return honest(features, label)
"""

SCORES = """
def train(features, label, *, seed, parameters):
    import numpy as np
    from assay.training import inside

    inside._score_held_out = lambda spec, job, made, content: np.zeros(3).tofile(job.scratch / "scores.f64")
    return honest(features, label)
"""

HUGE_FILE = """
def train(features, label, *, seed, parameters):
    with open("huge", "wb") as stream:
        while True:
            stream.write(b"x" * 2**20)
"""

MANY_FILES = """
def train(features, label, *, seed, parameters):
    for number in range(10**6):
        Path(f"f{{number}}").write_bytes(b"x" * 2**20)
        if number % 8 == 0:
            time.sleep(0.01)
"""

HANG = """
def train(features, label, *, seed, parameters):
    while True:
        time.sleep(1)
"""

BURN = """
def train(features, label, *, seed, parameters):
    while True:
        pass
"""

MEMORY = """
def train(features, label, *, seed, parameters):
    held = []
    while True:
        held.append(bytearray(2**24))
"""

MEMORY_OF_MANY = """
def train(features, label, *, seed, parameters):
    for _ in range(6):
        if os.fork() == 0:
            held = bytearray(os.urandom(2**20)) * 200
            time.sleep(600)
    time.sleep(600)
"""

FORK_BOMB = """
def train(features, label, *, seed, parameters):
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""

SIGNALS = """
def train(features, label, *, seed, parameters):
    for pid in {pids!r}:
        for number in (15, 9):
            tried(lambda: os.kill(pid, number))
    tried(lambda: os.kill(os.getppid(), 9) if os.getppid() > 1 else os.kill(0x7fffffff, 9))
    return honest(features, label)
"""

EXITS = """
def train(features, label, *, seed, parameters):
    os._exit(0)
"""

TALKS = """
def train(features, label, *, seed, parameters):
    for descriptor in range(3, 200):
        try:
            os.write(descriptor, b'{{"made": true}}\\n')
        except OSError:
            pass
    raise ValueError("talked")
"""

FLOODS = """
def train(features, label, *, seed, parameters):
    for descriptor in range(3, 200):
        try:
            while True:
                os.write(descriptor, b"x" * 4096)
        except OSError:
            pass
    return honest(features, label)
"""
