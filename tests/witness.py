"""An observer of a search that keeps what it is told, and what the host loop asks for."""

import jax

from nasjax import loop


class Witness:
    """Every exchange, and the number of rounds."""

    def __init__(self):
        self.exchanges, self.rounds = [], 0

    def on_exchange(self, exchange):
        self.exchanges.append(exchange)

    def on_round(self, state):
        self.rounds += 1


def asked_by_the_host_loop(made, seed, budget):
    """(phase, architecture) of every row that counts, as a user of the host loop would see them."""
    root_key, witness = jax.random.key(seed), Witness()
    loop.run(
        controller=made.controller,
        evaluator=made.evaluator,
        reward=made.reward,
        root_key=root_key,
        state=loop.init(made.controller, made.space, root_key),
        config=loop.SearchConfig(rounds=1000, max_queries=budget),
        observer=witness,
    )
    return [
        (exchange.phase, architecture)
        for exchange in witness.exchanges
        for architecture, counts in zip(
            exchange.proposal.architecture, exchange.proposal.mask, strict=True
        )
        if counts
    ]
