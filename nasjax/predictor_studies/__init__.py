"""Studies of predictors: a config, jobs whose results are files, and a report of these files."""
