"""An observer of a search that keeps what it is told."""


class Witness:
    """Every exchange, and the number of rounds."""

    def __init__(self):
        self.exchanges, self.rounds = [], 0

    def on_exchange(self, exchange):
        self.exchanges.append(exchange)

    def on_round(self, state):
        self.rounds += 1
