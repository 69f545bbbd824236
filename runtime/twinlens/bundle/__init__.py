"""Bundle: one folder, the contract between export and runtime; values only."""
