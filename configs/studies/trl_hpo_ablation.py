"""An ablation of TRL-HPO's attention, size and progressive reward, on two tables.

    nasjax study --config=studies/trl_hpo_ablation --directory=studies/ablation
    nasjax study --config=studies/trl_hpo_ablation:accelerator --directory=...

Heads {1, 2, 4, 8} x blocks {1, 2, 4} x projections {shared, standard}; an MLP of the published
nets' size; the final accuracy as the only reward; the published stops; the predicted back-up;
both learning rates 10 and 100 times as large (at the published 1e-5 Adam moves no weight of the
actor by more than about 0.005 in 500 updates).
Each arm has 15,000 queries (some 500 updates) and 32 seeds on CPU cores, 500 with ":accelerator".

Expected: on NAS-Bench-201 no arm differs from the published nets (all at 94.0 to 94.2 %) except the
published stops (93.5 %), in an hour and a half on 2 CPU cores. The run is in
docs/results/trl_hpo_ablation.md.
"""

import ml_collections

from . import methods


def get_config(machine: str = "cpu") -> ml_collections.ConfigDict:
    """All arms; the published nets are "trl_hpo"."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_201/cifar10", "nas_bench_macro/cifar10"),
        budgets=(15_000,),
        seeds=500 if machine == "accelerator" else 32,
        seeds_per_part=500 if machine == "accelerator" else 32,
        memory_budget_gib=60.0 if machine == "accelerator" else 4.0,
        reference="trl_hpo",
    )
    c.evaluator = dict(noise=True)
    arms = {
        "random_search": methods.RANDOM_SEARCH,
        "trl_hpo": methods.trl_hpo(),
        "mlp": methods.trl_hpo(network="mlp"),
        "final_reward": methods.trl_hpo(reward="final_accuracy"),
        "published_stops": methods.trl_hpo(min_gain=0.001, min_accuracy=0.6),
        "predicted_backup": methods.trl_hpo(backup="predicted"),
        "rates=10x": methods.trl_hpo(actor_learning_rate=1e-4, critic_learning_rate=1e-3),
        "rates=100x": methods.trl_hpo(actor_learning_rate=1e-3, critic_learning_rate=1e-2),
    }
    for projections in ("shared", "standard"):
        for blocks in (1, 2, 4):
            for heads in (1, 2, 4, 8):
                label = f"{projections},blocks={blocks},heads={heads}"
                if (projections, blocks, heads) != ("shared", 2, 4):
                    arms[label] = methods.trl_hpo(
                        projections=projections, num_blocks=blocks, num_heads=heads
                    )
    c.controllers = arms
    return c
