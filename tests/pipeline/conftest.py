import pytest

NOISE = (
    "ignore:.*Any type hint is inferred as AnyType:UserWarning",  # MLflow's own code
    "ignore:Field onnx.AttributeProto:DeprecationWarning",  # protobuf's, about what skl2onnx hands it
)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "pipeline":
            for each in NOISE:
                item.add_marker(pytest.mark.filterwarnings(each))


@pytest.fixture
def settings(mlflow_server, tmp_path):
    """The shared server, with an operations database of the test's own."""
    from dataclasses import replace

    return replace(mlflow_server, operations_db=f"sqlite:///{tmp_path / 'operations.db'}")
