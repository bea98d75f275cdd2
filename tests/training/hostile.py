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

# Each part is tried by one and the same train(), so that one box tells all of them.
REACHES = """
def secrets():
    for place in {places!r}:
        tried(lambda: Path(place).read_bytes())
        tried(lambda: os.listdir(Path(place).parent))
    for name in os.environ:
        print("ENVIRONMENT", name)


def processes():
    found = []
    tried(lambda: found.extend(name for name in os.listdir("/proc") if name.isdigit() and int(name) > 3))
    print("PROCESSES", *found)
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in {pids!r}:
        tried(lambda: Path("/proc", str(pid), "environ").read_bytes())
        print("PTRACE", libc.ptrace(16, pid, 0, 0), ctypes.get_errno())
        for number in (15, 9):
            tried(lambda: os.kill(pid, number))


def connect(family, address):
    with socket.socket(family) as one:
        one.connect(address)
    return address


def sockets():
    tried(lambda: connect(socket.AF_INET, ("127.0.0.1", {port})))
    tried(lambda: connect(socket.AF_UNIX, {path!r}))
    tried(lambda: connect(socket.AF_UNIX, "\\0" + {abstract!r}))
    tried(lambda: socket.getaddrinfo("localhost", {port}) and connect(socket.AF_INET6, ("::1", {port})))


def writes():
    for place in {written!r}:
        tried(lambda: Path(place).write_text("x"))
        tried(lambda: os.chmod(Path(place).parent, 0o777))
        tried(lambda: os.utime(Path(place).parent))
        tried(lambda: os.mkdir(place))
    tried(lambda: os.link({places!r}[0], "stolen"))
    tried(lambda: os.link(HERE / "train.py", "own"))


def rows():
    import gc
    frame = sys._getframe()
    while frame is not None:
        for name, value in list(frame.f_locals.items()):
            print("LOCAL", name, getattr(value, "shape", ""))
        frame = frame.f_back
    for each in gc.get_objects():
        try:
            print("TABLE", int(each.num_rows))
        except Exception:
            pass
    for path in sorted(HERE.parent.parent.rglob("*")):
        print("FILE", path.relative_to(HERE.parent.parent))


def outlive():
    heartbeat = HERE.parent.parent / "scratch" / "heartbeat"
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                heartbeat.write_text(str(time.time()))
                time.sleep(0.02)
        os._exit(0)
    while not heartbeat.exists():
        time.sleep(0.01)


def train(features, label, *, seed, parameters):
    for part in (secrets, processes, sockets, writes, rows, outlive):
        print("PART", part.__name__)
        part()
    return honest(features, label)
"""

PAYLOAD = """
def train(features, label, *, seed, parameters):
    exec(Path({place!r}).read_text(), globals())
    return honest(features, label)
"""

LINKS = """
def train(features, label, *, seed, parameters):
    for name in ("model.onnx", "reference.skops", "result.json"):
        os.symlink({place!r}, name)
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

# Each of these lies in the place of what the relay takes, or of its answer.
ODD_FILES = {
    "a folder": "os.mkdir('model.onnx')",
    "nothing": "pass",
    "a sparse file": "os.truncate(os.open('model.onnx', os.O_WRONLY | os.O_CREAT), 2**40)",
}

ODD_FILE = """
def train(features, label, *, seed, parameters):
    from assay.training import inside

    real = inside._write

    def spoiled(job, made, content):
        real(job, made, content)
        os.unlink("model.onnx")
        {odd}

    inside._write = spoiled
    return honest(features, label)
"""

RESULT = """
def train(features, label, *, seed, parameters):
    from assay.training import inside

    real = inside._write

    def spoiled(job, made, content):
        real(job, made, content)
        Path("result.json").write_text({result})

    inside._write = spoiled
    return honest(features, label)
"""

ANSWER = """
def train(features, label, *, seed, parameters):
    for descriptor in range(3, 200):
        try:
            os.write(descriptor, ({answer}).encode() + b"\\n")
        except OSError:
            pass
    raise ValueError("answered")
"""

# The export is replaced by a graph that is well-formed, and costs whoever loads or scores it.
GRAPH = """
def graph():
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    take = numpy_helper.from_array
    two = take(np.array([1, 2], np.int64), "two")
    {graph}
    ends = [helper.make_tensor_value_info("label", TensorProto.INT64, None),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1]),
             helper.make_tensor_value_info("word", TensorProto.STRING, [None, 1])]
    made = helper.make_graph(nodes, "g", given, ends, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def train(features, label, *, seed, parameters):
    from assay.training import inside

    real = inside._write
    inside._write = lambda job, made, content: real(job, made, {content})
    inside._score_held_out = lambda *given: Path("scores.f64").write_bytes(b"")
    return honest(features, label)
"""

HUGE_FILE = """
def train(features, label, *, seed, parameters):
    with open("huge", "wb") as stream:
        while True:
            stream.write(b"x" * 2**20)
"""

MEMORY = """
def train(features, label, *, seed, parameters):
    held = []
    while True:
        held.append(bytearray(2**24))
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
