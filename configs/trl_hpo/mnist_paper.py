"""TRL-HPO's published protocol on MNIST, for an accelerator."""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    c = ml_collections.ConfigDict()
    c.seed = 0
    c.space = dict(name="layer_chain", max_layers=6, decode="table1")
    c.data = dict(
        name="tfds:mnist",
        train_size=20_000,
        validation_size=10_000,
        mean=0.1307,
        std=0.3081,
        split_seed=0,
        data_dir="",
        manual_dir="",
        download=False,
    )
    c.controller = dict(
        name="trl_hpo",
        models_per_episode=10,
        updates_per_episode=5,
        replay_capacity=20_000,
        min_size=2_000,
        batch_size=16,
        actor_learning_rate=1e-5,
        critic_learning_rate=1e-4,
        target_rate=0.01,
        discount=1.0,
        noise_theta=0.15,
        noise_sigma=0.2,
        noisy_rounds=ml_collections.config_dict.placeholder(int),
        num_heads=4,
        num_blocks=2,
        expansion=4,
        projections="shared",
        dropout=0.2,
        embed_size=64,
        actor_state="next",
        backup="trained",
        min_gain=0.001,
        min_accuracy=0.6,
        validate_every=5,
        patience=70,
    )
    c.evaluator = dict(
        name="trained",
        epochs=5,
        batch_size=16,
        learning_rate=1e-3,
        schedule="constant",
        validation_batches=32,
        validation_batch_size=16,
        lanes=16,
        conv_widths=(),
        fc_widths=(),
        memory_budget_gib=60.0,
        workers=2,
        compilation="thorough",
    )
    c.reward = dict(name="accuracy_gain", invalid=-1.0)
    c.search = dict(
        rounds=500,
        max_queries=ml_collections.config_dict.placeholder(int),
        checkpoint_every=1,
        checkpoints_kept=3,
    )
    return c
