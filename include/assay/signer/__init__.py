"""The signer: the one process that holds the private keys, and signs only what continues an anchored dossier."""
