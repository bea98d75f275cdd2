from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core import MISSING, UserError
from assay.data.features import encode, kinds, model_inputs, positives, training_frame

numbers = st.lists(
    st.none() | st.integers(-(2**62), 2**62) | st.floats(-1e30, 1e30, allow_nan=False), min_size=1, max_size=30
)
texts = st.lists(st.none() | st.text(max_size=8), min_size=1, max_size=30)


@given(numbers)
def test_a_number_is_the_same_input_from_a_request_and_from_a_file(cells):
    from_request = encode(cells, "number")
    column = pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    assert from_request.dtype == np.float32
    assert from_request.shape == (len(cells), 1)
    np.testing.assert_array_equal(from_request, encode(column, "number"))
    np.testing.assert_array_equal(from_request, encode(pa.chunked_array([column[:1], column[1:]]), "number"))


@given(st.lists(st.none() | st.integers(-(2**62), 2**62), min_size=1))
def test_an_integer_column_and_the_integers_in_it_are_the_same_input(cells):
    np.testing.assert_array_equal(encode(cells, "number"), encode(pa.array(cells, pa.int64()), "number"))


@given(texts)
def test_a_text_is_the_same_input_from_a_request_and_from_a_file(cells):
    from_request = encode(cells, "text")
    assert from_request.dtype == object
    assert from_request.shape == (len(cells), 1)
    for type_ in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        column = pa.chunked_array([pa.array(cells, pa.string()).cast(type_)])
        assert encode(column, "text").tolist() == from_request.tolist()


@pytest.mark.parametrize("cell", [None, float("nan"), np.nan])
def test_missing_has_one_form_for_each_kind(cell):
    assert encode([cell], "text").tolist() == [[MISSING]]
    assert np.isnan(encode([cell], "number")).all()


def test_text_cells_that_are_no_strings_read_as_their_text():
    assert encode([3, 2.5, False, np.int64(4), np.bool_(True)], "text")[:, 0].tolist() == [
        "3",
        "2.5",
        "false",
        "4",
        "true",
    ]
    assert encode(pa.array([True, None]), "text")[:, 0].tolist() == ["true", MISSING]
    assert encode(pa.array([3.0]), "text").tolist() == encode([3.0], "text").tolist()


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ([1, "2"], 1),
        ([1, 2, True], 2),
        ([[1]], 0),
        ([1.0, float("inf")], 1),
        ([10**400], 0),
        (np.array([1.0, 1e39]), 1),
        (np.array([True]), 0),
        (pa.array(["7"]), 0),
    ],
)
def test_what_is_not_a_number_is_refused_by_its_row(cells, row):
    with pytest.raises(ValueError, match=f"^row {row}: "):
        encode(cells, "number")


def test_what_is_neither_text_nor_number_is_refused_by_its_row():
    with pytest.raises(ValueError, match=r"^row 1: \{'a': 1\}"):
        encode(["x", {"a": 1}], "text")


def test_numbers_of_every_type_are_taken():
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "u": pa.array([1, None], pa.uint8()),
            "f": pa.array([1, None], pa.float32()),
            "d": pa.array([Decimal("1"), None], pa.decimal128(4, 1)),
            "s": pa.array(["1", None]),
            "c": pa.array(["1", None]).dictionary_encode(),
            "b": pa.array([True, None]),
        }
    )
    found = kinds(table.schema, list("sdfuicb"))
    assert list(found.items()) == [
        ("s", "text"),
        ("d", "number"),
        ("f", "number"),
        ("u", "number"),
        ("i", "number"),
        ("c", "text"),
        ("b", "text"),
    ]
    frame = training_frame(table, found)
    inputs = model_inputs(table, found)
    assert list(frame.columns) == list(inputs) == list(found)
    for name, kind in found.items():
        assert frame[name].dtype == (np.float32 if kind == "number" else object)
        np.testing.assert_array_equal(frame[name].to_numpy(), inputs[name][:, 0])


def test_kinds_lists_every_unusable_feature():
    schema = pa.schema([("age", pa.int64()), ("born", pa.date32()), ("tags", pa.list_(pa.string()))])
    with pytest.raises(UserError) as caught:
        kinds(schema, ["agee", "born", "tags"])
    assert [problem.path for problem in caught.value.problems] == ["agee", "born", "tags"]
    assert 'did you mean "age"?' in str(caught.value)


def test_model_inputs_lists_every_unusable_column():
    table = pa.table({"age": ["old"], "hours": [1]})
    with pytest.raises(UserError) as caught:
        model_inputs(table, {"age": "number", "sex": "text", "hours": "number"})
    assert [problem.path for problem in caught.value.problems] == ["age", "sex"]


@pytest.mark.parametrize(
    ("labels", "positive"),
    [(["a", "b"], "b"), ([0, 1], 1), (["0", "1"], 1), ([False, True], True), (pa.array([0, 1]), "1")],
)
def test_the_positive_class_is_found_in_any_type(labels, positive):
    assert positives(labels, positive).tolist() == [False, True]
