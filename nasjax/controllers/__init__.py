"""Controllers, the search methods; each has its own folder and README."""
