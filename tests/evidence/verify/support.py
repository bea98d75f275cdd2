"""What a verification finds, with things changed behind its back."""

from contextlib import ExitStack

from tests.evidence.whole import flipped

from assay.evidence.opening import archive
from assay.evidence.verify import verify


def checked(run, **asked):
    return verify(archive(run.settings), run.folder.policy.model, 1, **{"patience": 0, **asked})


def found(run, **asked):
    return [str(each) for each in checked(run, **asked).findings]


def missed(run, tampered):
    """The changes, all made at once, of which no finding names the place; pairs of a context and the words to say."""
    with ExitStack() as stack:
        for change, _ in tampered:
            stack.enter_context(change)
        said = found(run)
    return [words for _, words in tampered if not any(all(word in each for word in words) for each in said)]


def missed_alone(run, tampered, chance, times=4):
    """The same of some of them, each the only change there is."""
    return [each for change in chance.sample(tampered, times) for each in missed(run, [change])]


def at(place):
    return lambda content: flipped(content, place)
