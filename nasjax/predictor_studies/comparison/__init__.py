"""Predictors compared on the same splits of the same measurements (AUTOCoMET, Table II)."""
