"""What a dry run starts from, and all that can be wrong with it."""

from dataclasses import dataclass
from pathlib import Path

from assay.core import Problem, Settings, UserError, problem
from assay.isolation import Level, choose, isolation_setting
from assay.policy import ModelFolder, Source, load_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a dry run starts from, everything about it that can be checked beforehand checked.

    Attributes
    ----------
    folder, model_files
        The model's folder, and those of its files that training may read.
    source, base
        Where the rows come from, and the folder that a relative path is meant from.
    seed
        Seed of the training and of every gate's resampling.
    isolation
        How the team's code is kept apart.
    """

    folder: ModelFolder
    model_files: dict[str, bytes]
    source: Source
    base: Path
    seed: int
    isolation: Level

    @classmethod
    def of(cls, folder: Path, *, data: str | None = None, seed: int | None = None) -> "Plan":
        """Look at all that a dry run needs.

        Parameters
        ----------
        folder
            The model's folder, wherever it lies and whatever it is called.
        data
            File, folder, pattern or URL, a relative one meant from the working directory; the policy's source by
            default.
        seed
            The policy's by default.

        Raises
        ------
        UserError
            Listing everything that is wrong with the folder, the data and this machine's isolation.
        """
        problems: list[Problem] = []
        folder = folder.absolute()
        if not folder.is_dir():
            raise problem(str(folder), "is not a folder", "name the folder that holds policy.yaml")
        loaded, files, level = None, None, None
        source: Source | None = data
        try:
            loaded = load_folder(folder, any_name=True)
            source = loaded.policy.data.source if data is None else data
            files = loaded.model_files(*([] if data is None else [str(Path(data).absolute())]))
        except UserError as error:
            problems += error.problems
        base = Path.cwd() if data is not None else folder
        tier = None if loaded is None else loaded.policy.risk_tier
        for look in (_contract(folder), _rows(source, base)):
            problems += look
        try:
            level = choose(isolation_setting(), tier=tier)
        except UserError as error:
            problems += error.problems
        if problems or loaded is None or files is None or level is None or source is None:
            raise UserError(str(folder), list(dict.fromkeys(problems)))
        chosen = loaded.policy.training.seed if seed is None else seed
        return cls(folder=loaded, model_files=files, source=source, base=base, seed=chosen, isolation=level)


def _contract(folder: Path) -> list[Problem]:
    """What is wrong with the data contract; that it is missing, the folder says."""
    from assay.gates.contract import load_suite

    try:
        if (folder / "contract.json").is_file():
            load_suite(folder / "contract.json")
    except UserError as error:
        return list(error.problems)
    return []


def _rows(source: Source | None, base: Path) -> list[Problem]:
    """That there are no such files; what is wrong with their rows, taking the snapshot says."""
    from assay.data.origins.places import find_places

    if not isinstance(source, str) or "://" in source:
        return []
    try:
        find_places(source, base, Settings.from_environment().source_roots)
    except UserError as error:
        return list(error.problems)
    return []
