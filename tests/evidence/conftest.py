import pytest
from tests.pipeline.conftest import NOISE


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "evidence":
            for each in NOISE:
                item.add_marker(pytest.mark.filterwarnings(each))
