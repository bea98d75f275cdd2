from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.support import Stand, onnx_model, standing


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Everything a gateway needs, before the gateway."""
    with standing(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A gateway that serves version 1, shared by tests that change no deployment."""
    with standing(tmp_path_factory.mktemp("champion")) as made:
        made.crown(1, onnx_model())
        made.serve()
        yield made
