import pytest
from tests.pipeline.conftest import NOISE


def pytest_collection_modifyitems(items):
    for item in items:
        if "evidence" in item.path.parts:
            for each in NOISE:
                item.add_marker(pytest.mark.filterwarnings(each))
