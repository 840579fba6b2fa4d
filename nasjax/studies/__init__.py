"""Studies: many searches on published tables, or on surrogates, compared.

A study's config goes straight to its report, and everything on the way is made once:

    config      StudyConfig -> arms: settings (controller, reward) x problems x budgets
    problem     reads tables, bounds constraints, sets each setting on its problem
    run         finds the shards that are missing, and makes them
    simulate    many seeds of one search as one compiled program
    shards      a file for each arm and range of seeds; their union is the study
    results     the queries of all seeds of each arm, as rows of its problem
    analysis/   analyse: summary (the numbers), recommendations, tradeoffs (curves, fronts);
                incumbents and statistics are what these are computed with
    report      study.json, picks.json; the context of the template, with its figures
    reports/    templates/study.j2 says it in words, render writes HTML and Markdown
"""
