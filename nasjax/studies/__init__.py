"""Many searches on published tables: controllers x settings x spaces x data sets x seeds."""
