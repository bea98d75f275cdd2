"""What a team's train.py may do wrong, and what it is told."""

import os
import textwrap

import numpy as np
import pandas as pd
import pytest

from assay.core import UserError
from assay.training.run import Validation, fit, takes_validation

FRAME = pd.DataFrame({"x": np.arange(20, dtype=np.float32), "word": ["a", "b"] * 10})
LABEL = pd.Series([0, 1] * 10)
HEAD = """\
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
"""
FORM = "write train(features, label, *, seed, parameters) -> sklearn.pipeline.Pipeline"


def module(folder, source, name="toy"):
    (folder / name).mkdir(exist_ok=True)
    file = folder / name / "train.py"
    file.write_text(textwrap.dedent(source))
    return file


def trained(file, **parameters):
    return fit(module=file, features=FRAME, label=LABEL, seed=3, parameters=parameters)


def body(statement):
    return f"{HEAD}def train(features, label, *, seed, parameters):\n    {statement}\n"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def train(:\n", "cannot be imported: SyntaxError: invalid syntax (train.py, line 1) (line 1)"),
        ("x = 1\nimport nowhere_to_be_found\n",
         "cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found' (line 2)"),
        ("x = 1\nraise SystemExit(2)\n", "cannot be imported: SystemExit: 2 (line 2)"),
        ("x = 1\n", f"has no function train ({FORM})"),
        ("train = 1\n", f"has no function train ({FORM})"),
        ("def train(features, label):\n    pass\n",
         f"train() cannot be called as Assay calls it: got an unexpected keyword argument 'seed' ({FORM})"),
        ("def train(features, *, seed, parameters):\n    pass\n",
         f"train() cannot be called as Assay calls it: too many positional arguments ({FORM})"),
        ("def train(f, l, *, seed, parameters, more):\n    pass\n",
         f"train() cannot be called as Assay calls it: missing a required argument: 'more' ({FORM})"),
        (body("return None"), f"train() returned NoneType, not a Pipeline ({FORM})"),
        (body("return DummyClassifier().fit(features, label)"),
         f"train() returned DummyClassifier, not a Pipeline ({FORM})"),
        (body('return Pipeline([("m", DummyClassifier())])'),
         "train() returned a pipeline that is not fitted (return pipeline.fit(...))"),
        (body('return Pipeline([("m", LinearRegression())]).fit(features[["x"]], label)'),
         "the pipeline has no predict_proba (end it in a probabilistic classifier)"),
        (body('return Pipeline([("m", DummyClassifier())]).fit(features, label + 1)'),
         "the pipeline's classes are [1, 2], not [0, 1] (fit on `label`)"),
        (body('return Pipeline([("m", DummyClassifier())]).fit(features, label * 0)'),
         "the pipeline's classes are [0], not [0, 1] (fit on `label`)"),
        (body('return Pipeline([("m", DummyClassifier())]).fit(features, label.map({0: "no", 1: "yes"}))'),
         "the pipeline's classes are ['no', 'yes'], not [0, 1] (fit on `label`)"),
        (body('raise ValueError("too few trees")'), "train() raised ValueError: too few trees (line 5)"),
        (body("return features.nothing"),
         "train() raised AttributeError: 'DataFrame' object has no attribute 'nothing' (line 5)"),
        (body("raise SystemExit(0)"), "train() raised SystemExit: 0 (line 5)"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line_with_its_mend(tmp_path, source, told):
    with pytest.raises(UserError) as raised:
        trained(module(tmp_path, source))
    assert str(raised.value) == f"toy/train.py: train.py: {told}"


def test_the_line_is_named_when_the_folder_is_given_relative_to_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module(tmp_path, body("return 1 / 0"))
    with pytest.raises(UserError, match=r"ZeroDivisionError: division by zero \(line 5\)"):
        trained((tmp_path / "toy" / "train.py").relative_to(tmp_path))


def test_what_train_is_given(tmp_path):
    source = """\
        import random
        import numpy as np
        from sklearn.dummy import DummyClassifier
        from sklearn.pipeline import Pipeline

        def train(features, label, *, seed, parameters):
            made = Pipeline([("m", DummyClassifier())]).fit(features, label)
            made.given = (seed, parameters, random.random(), np.random.random())
            parameters["constant"] = "changed"
            return made
    """
    parameters = {"strategy": "prior"}
    file = module(tmp_path, source)
    first, second = (fit(module=file, features=FRAME, label=LABEL, seed=3, parameters=parameters) for _ in range(2))
    other = fit(module=file, features=FRAME, label=LABEL, seed=4, parameters=parameters)
    assert parameters == {"strategy": "prior"}
    assert first.given[0] == 3
    assert first.given == second.given
    assert not {*first.given[2:]} & {*other.given[2:]}


def test_what_runs_is_the_file_and_not_bytecode_left_beside_it(tmp_path):
    source = body('return Pipeline([("m", DummyClassifier(strategy="constant", constant=0))]).fit(features, label)')
    file = module(tmp_path, source)
    assert trained(file).predict(FRAME).sum() == 0
    stamp = file.stat()
    file.write_text(source.replace("constant=0", "constant=1"))  # of the same length, and as old as the other
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert trained(file).predict(FRAME).sum() == 20
    assert [each.name for each in file.parent.iterdir()] == ["train.py"]


def test_classes_of_the_module_can_be_stored_by_their_name(tmp_path):
    source = """\
        import pickle
        from sklearn.dummy import DummyClassifier
        from sklearn.pipeline import Pipeline

        class Own(DummyClassifier):
            pass

        def train(features, label, *, seed, parameters):
            return pickle.loads(pickle.dumps(Pipeline([("m", Own())]).fit(features, label)))
    """
    assert type(trained(module(tmp_path, source)).steps[-1][1]).__name__ == "Own"


def test_weights_go_to_a_train_that_takes_them_and_only_where_there_are_any(tmp_path):
    source = """\
        from sklearn.dummy import DummyClassifier
        from sklearn.pipeline import Pipeline

        def train(features, label, *, seed, parameters, weights="none given"):
            made = Pipeline([("m", DummyClassifier())]).fit(features, label)
            made.given = weights
            return made
    """
    file = module(tmp_path, source)
    assert trained(file).given == "none given"
    weights = pd.Series(np.arange(1.0, 21.0))
    weighted = fit(module=file, features=FRAME, label=LABEL, seed=3, parameters={}, weights=weights)
    assert weighted.given.equals(weights)


def test_a_train_without_weights_is_refused_only_where_there_are_some(tmp_path):
    file = module(tmp_path, body('return Pipeline([("m", DummyClassifier())]).fit(features, label)'))
    assert trained(file).predict_proba(FRAME).shape == (20, 2)
    with pytest.raises(UserError, match="train\\(\\) takes no weights, and the policy's mitigation works by them"):
        fit(module=file, features=FRAME, label=LABEL, seed=3, parameters={}, weights=pd.Series(np.ones(20)))


KEPT = Validation(FRAME[:6], LABEL[:6])
ASKING = """\
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

def train(features, label, *, seed, parameters, validation=None):
    made = Pipeline([("m", DummyClassifier())]).fit(features, label)
    made.given = validation
    return made
"""


def validated(file, validation=KEPT, **more):
    return fit(module=file, features=FRAME, label=LABEL, seed=3, parameters={}, validation=validation, **more)


def test_validation_rows_go_to_a_train_that_names_them(tmp_path):
    file = module(tmp_path, ASKING)
    assert takes_validation(file)
    given = validated(file).given
    assert given.features.equals(FRAME[:6])
    assert given.label.equals(LABEL[:6])
    assert given.weights is None
    assert validated(file, None).given is None


@pytest.mark.parametrize("parameters", ["seed, parameters", "seed, parameters, weights=None", "**more"])
def test_a_train_that_does_not_name_them_is_called_as_ever(tmp_path, parameters):
    source = ASKING.replace("seed, parameters, validation=None", parameters)
    source = source.replace("*, **", "**").replace("= validation", "= sorted(locals())")
    file = module(tmp_path, source)
    assert not takes_validation(file)
    assert validated(file).given == validated(file, None).given
    assert "validation" not in validated(file).given


def test_a_train_that_cannot_do_without_validation_rows_is_refused_before_it_is_called(tmp_path):
    file = module(
        tmp_path, ASKING.replace("validation=None", "validation").replace("    made =", "    1 / 0\n    made =")
    )
    with pytest.raises(UserError) as raised:
        validated(file, None)
    assert str(raised.value) == (
        "toy/train.py: train.py: train() requires validation rows, and the policy's split deals none "
        "(set data.split.validation above 0, or write validation=None)"
    )
    with pytest.raises(UserError, match="division by zero"):
        validated(file)


def test_validation_rows_and_weights_go_together(tmp_path):
    file = module(tmp_path, ASKING.replace("validation=None", "weights=None, validation=None"))
    weighed = KEPT._replace(weights=pd.Series(np.ones(6)))
    assert validated(file, weighed, weights=pd.Series(np.ones(20))).given is weighed
