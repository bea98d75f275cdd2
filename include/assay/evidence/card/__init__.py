"""The model card and datasheet of a version, made from its dossier's records and from nothing else."""
