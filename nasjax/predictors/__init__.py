"""Predictors of device behaviour (AUTOCoMET, III.C): fitted once, evaluated inside jit."""
