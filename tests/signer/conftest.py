"""One signer that serves in this process, for tests that only ask."""

import pytest
from tests.signer.support import Chain, installation, serving_here


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Settings of an installation whose signer serves."""
    settings = installation(tmp_path_factory.mktemp("signer"))
    with serving_here(settings):
        yield settings


@pytest.fixture
def chain(served):
    """A dossier with two anchored records."""
    begun = Chain(served)
    begun.add(begun.next_event())
    begun.add(begun.next_verdict())
    yield begun
    begun.anchors.engine.dispose()
