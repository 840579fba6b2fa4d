"""The commands, one thin file each: `python -m launch.search`, `python -m launch.report`, ..."""
