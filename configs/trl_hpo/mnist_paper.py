"""TRL-HPO's published protocol on MNIST, for an accelerator.

    nasjax search --config=trl_hpo/mnist_paper --directory=runs/mnist_paper

Expected: the paper reports a best accuracy of 99.1 % after 99.3 hours on a V100 (Table II). This
protocol has not been run here to its end; no time is promised.

MNIST is read from tfds, prepared once (see docs/data.md), or from its four files with
--config.data.name=idx:DIRECTORY.

Start of learning: the paper updates "once the ER buffer is full", and its code has 20,000 rows.
A model stops after about 2 to 3 layers, so an episode of 10 models adds about 25 rows and 500
episodes about 12,500: the published buffer would never fill. Here the capacity is the published one
and learning starts at `min_size` = 2,000 rows, about episode 80; from then on the run makes
5 updates per episode, about 2,100 in all.

Every setting of a TRL-HPO search is listed here, with the paper's value or, where the paper is
silent, its released code's (except `actor_state`, see nasjax/controllers/trl_hpo/README.md). The
other configs of this folder say where they depart.
"""

import ml_collections
from ml_collections.config_dict import placeholder


def get_config() -> ml_collections.ConfigDict:
    """Every section with every key."""
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
    c.controller = get_controller()
    c.evaluator = dict(
        name="trained",
        epochs=5,
        batch_size=16,
        learning_rate=1e-3,
        schedule="constant",
        validation_batches=32,
        validation_batch_size=16,
        precision="float32",
        stop_below=(),
        lanes=1,
        conv_widths=(),
        fc_widths=(),
        memory_budget_gib=60.0,
        workers=2,
        compilation="thorough",
    )
    c.reward = dict(name="accuracy_gain", invalid=-1.0)
    c.search = dict(
        rounds=500, max_queries=placeholder(int), checkpoint_every=1, checkpoints_kept=3
    )
    return c


def get_controller() -> dict:
    """The controller's section."""
    return dict(
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
        noisy_rounds=placeholder(int),
        network="transformer",
        num_heads=4,
        num_blocks=2,
        expansion=4,
        projections="shared",
        dropout=0.2,
        embed_size=64,
        actor_state="both",
        backup="trained",
        min_gain=0.001,
        min_accuracy=0.6,
        validate_every=5,
        patience=70,
    )
