"""Measures what the networks of a space cost on this machine, for predictors and searches.

A profile goes through these modules in this order:

    sample        draws networks, spread from small to large, and the layers that they consist of
    programs      a network or a layer with its features and its forward pass (`networks/`)
    rounds        compiles the programs and times each of them once a round; a round is a file
    aggregate     medians over the rounds, as a folder of measurements (`nasjax.devices`)
    report        profile.json, report.html and report.md from the files of that folder

`machine` and `energy` ask the operating system and the GPU's driver.
"""
