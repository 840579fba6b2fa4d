"""AUTOCoMET."""
