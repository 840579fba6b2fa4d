"""TRL-HPO on a table in eager PyTorch, one seed at a time, as a user would write it instead.

Shaer et al., 2023, with the settings of `configs/studies/methods.py`, in code apart from nasjax's
controller, so that the two can be compared. Batched over the models of an episode and over the rows
of an update. Legend: N rows, L slots, P validation batches, E width of an embedded slot.
"""

import collections
import copy
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MODELS, UPDATES, VALIDATE_EVERY = 10, 5, 5  # per episode, per episode, episodes
CAPACITY, MIN_SIZE, BATCH_SIZE = 8_000, 60, 16
TARGET_RATE, NOISE_THETA, NOISE_SIGMA = 0.01, 0.15, 0.2
WIDTH, BLOCKS, HEADS, EXPANSION, DROPOUT = 64, 2, 4, 4, 0.2
BATCHES, IMAGES = 32, 16  # per validation batch
SKIP, EMPTY = 1, -1.0  # the operation, and the row of the state, of a slot not filled yet


class PlainRun(NamedTuple):
    """The queries of one search.

    Attributes:
      queries: rows of the table in order, `budget` of them; updates: made until then.
      final: the last architecture that was validated, None before any was.
    """

    queries: list[int]
    updates: int
    final: int | None


class SelfAttention(nn.Module):
    """Multi-head, no mask; all heads share three matrices without bias (released code)."""

    def __init__(self) -> None:
        super().__init__()
        head_width = WIDTH // HEADS
        self.projections = nn.ModuleList(
            nn.Linear(head_width, head_width, bias=False) for _ in range(3)
        )
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, E] -> [N, L, E]."""
        heads = x.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        query, key, value = (project(heads) for project in self.projections)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and feed-forward; layer norm after the residual, then dropout (released code)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = SelfAttention()
        self.feed_forward = nn.Sequential(
            nn.Linear(WIDTH, EXPANSION * WIDTH), nn.ReLU(), nn.Linear(EXPANSION * WIDTH, WIDTH)
        )
        self.norm_attention = nn.Sequential(nn.LayerNorm(WIDTH), nn.Dropout(DROPOUT))
        self.norm_feed_forward = nn.Sequential(nn.LayerNorm(WIDTH), nn.Dropout(DROPOUT))

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, E] -> [N, L, E]."""
        x = self.norm_attention(x + self.attention(x))
        return self.norm_feed_forward(x + self.feed_forward(x))


class Transformer(nn.Module):
    """Sinusoidal positions, blocks, one linear unit over the flattened sequence."""

    positions: Tensor

    def __init__(self, num_slots: int, squash: nn.Module):
        super().__init__()
        self.register_buffer("positions", sinusoidal_positions(num_slots))
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.head = nn.Linear(num_slots * WIDTH, 1)
        self.squash = squash
        self.apply(init_linear)

    def forward(self, state: Tensor) -> Tensor:
        """[N, L, E] -> [N, 1]."""
        x = self.blocks(state * math.sqrt(WIDTH) + self.positions)
        return self.squash(self.head(x.flatten(1)))


def sinusoidal_positions(length: int) -> Tensor:
    """[length, E]: sin and cos of pos / 10000^(2i / E) (Vaswani et al., 2017, 3.5)."""
    angle = torch.arange(length)[:, None] / 10_000 ** (torch.arange(0, WIDTH, 2) / WIDTH)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def init_linear(module: nn.Module) -> None:
    """Flax's default, not torch's: LeCun normal, cut at two standard deviations, and zero bias."""
    if isinstance(module, nn.Linear):
        cut = 0.87962566  # standard deviation of N(0, 1) within +-2
        scale = module.in_features**-0.5 / cut
        nn.init.trunc_normal_(module.weight, std=scale, a=-2 * scale, b=2 * scale)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Transition(NamedTuple):
    """A model and the slot that was filled last.

    Attributes:
      state: [L, E] after it; operations: [L] int64; length: [] int64, slots filled.
      reached: [P], accuracies after it; reward: [].
    """

    state: Tensor
    operations: Tensor
    length: Tensor
    reached: Tensor
    reward: Tensor


class TrlHpo:
    """The search: DDPG with transformers, slots filled one after another."""

    def __init__(
        self,
        accuracies: Sequence[float],
        seed: int,
        num_operations: int,
        num_slots: int,
        actor_learning_rate: float,
        critic_learning_rate: float,
    ):
        torch.manual_seed(seed)
        self.rng = random.Random(seed)
        self.num_operations, self.num_slots = num_operations, num_slots
        self.powers = num_operations ** torch.arange(num_slots).flip(0)
        self.accuracies = torch.as_tensor(accuracies, dtype=torch.float32)
        self.measured = torch.full((len(accuracies), BATCHES), torch.nan)  # until it is asked for
        # The intermediate model representation is a random net that is never trained.
        self.w_action = torch.empty(1, WIDTH).uniform_(-1, 1)
        self.w_reached = torch.empty(BATCHES, WIDTH).uniform_(-(BATCHES**-0.5), BATCHES**-0.5)
        self.actor = Transformer(num_slots, nn.Sigmoid())
        self.critic = Transformer(num_slots, nn.Tanh())
        # Targets never drop out; the online nets, only seen in losses, always do.
        self.target_actor = copy.deepcopy(self.actor).eval().requires_grad_(False)
        self.target_critic = copy.deepcopy(self.critic).eval().requires_grad_(False)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), actor_learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), critic_learning_rate)
        self.followed = [
            *zip(self.target_actor.parameters(), self.actor.parameters(), strict=True),
            *zip(self.target_critic.parameters(), self.critic.parameters(), strict=True),
        ]
        self.replay: collections.deque[Transition] = collections.deque(maxlen=CAPACITY)
        self.queries: list[int] = []
        self.updates = 0
        self.final: int | None = None

    def search(self, budget: int) -> None:
        """Episodes until so many queries were made, at most some of the last exchange more."""
        episode = 0
        while len(self.queries) < budget:
            episode += 1
            self.build(MODELS, explore=True)
            for _ in range(UPDATES):
                if len(self.queries) < budget and len(self.replay) >= MIN_SIZE:
                    self.learn()
            if len(self.queries) < budget and self.updates and episode % VALIDATE_EVERY == 0:
                self.final = self.build(1, explore=False)[0]

    @torch.no_grad()
    def build(self, count: int, *, explore: bool) -> list[int]:
        """Whole models by the target actor -> rows of the table, N.

        Args:
          explore: with noise, for the replay and as queries; else it is a validation.
        """
        state = torch.full((count, self.num_slots, WIDTH), EMPTY)
        operations = torch.full((count, self.num_slots), SKIP)
        noise, reached = torch.zeros(count, 1), torch.zeros(count, BATCHES)
        for slot in range(self.num_slots):
            action = self.target_actor(state)
            if explore:
                noise = noise - NOISE_THETA * noise + NOISE_SIGMA * torch.randn(count, 1)
                action = (action + noise).clamp(0, 1)
            operations[:, slot] = self.decode(action)
            before = reached
            reached, rows = self.measure(operations)
            state[:, slot] = self.encode(action, reached)
            if explore:
                self.queries += rows
                reward = (reached - before).mean(1)
                length = torch.full((count,), slot + 1)
                rows_of = state.clone(), operations.clone(), length, reached, reward
                self.replay.extend(map(Transition, *rows_of))
        return rows

    def learn(self) -> None:
        """One step of critic, actor and both targets (DDPG, Lillicrap et al., 2015).

        Q(s, a) is the critic of the state with a written into it, beside what it reached; what the
        target actor's next operations reach is asked of the table. Discount 1.
        """
        sampled = self.rng.choices(self.replay, k=BATCH_SIZE)
        after, operations, length, reached, target = map(torch.stack, zip(*sampled, strict=True))
        before = after.clone()
        before[torch.arange(BATCH_SIZE), length - 1] = EMPTY
        goes_on = length < self.num_slots
        grown, next_slot = after[goes_on], length[goes_on]
        with torch.no_grad():
            action = self.target_actor(grown)
            operations = operations[goes_on]
            operations[torch.arange(len(operations)), next_slot] = self.decode(action)
            next_reached, rows = self.measure(operations)
            self.queries += rows
            written = self.write(grown, next_slot, action, next_reached)
            target[goes_on] += self.target_critic(written)[:, 0]
        descend(self.critic_optimizer, F.mse_loss(self.critic(after)[:, 0], target))

        # The actor learns at the states before and after the sampled operation.
        state, slot = torch.cat([grown, before]), torch.cat([next_slot, length - 1])
        seen = torch.cat([next_reached, reached])
        written = self.write(state, slot, self.actor(state), seen)
        descend(self.actor_optimizer, -self.critic(written).mean())
        with torch.no_grad():
            for old, new in self.followed:
                old.lerp_(new, TARGET_RATE)
        self.updates += 1

    def decode(self, action: Tensor) -> Tensor:
        """[N, 1] in [0, 1] -> operations [N], in equal shares."""
        return (action[:, 0] * self.num_operations).long().clamp(max=self.num_operations - 1)

    def measure(self, operations: Tensor) -> tuple[Tensor, list[int]]:
        """[N, L] -> accuracies [N, P], drawn when first asked for; rows of the table, N."""
        rows = (operations * self.powers).sum(1)
        unknown = rows[self.measured[rows, 0].isnan()].unique()
        rates = self.accuracies[unknown, None].expand(-1, BATCHES)
        counts = torch.binomial(torch.full_like(rates, IMAGES), rates)
        self.measured[unknown] = counts / IMAGES
        return self.measured[rows], rows.tolist()

    def encode(self, action: Tensor, reached: Tensor) -> Tensor:
        """[N, 1], [N, P] -> [N, E]: what the nets see of a filled slot."""
        return torch.tanh(action @ self.w_action + reached @ self.w_reached)

    def write(self, state: Tensor, slot: Tensor, action: Tensor, reached: Tensor) -> Tensor:
        """The states [N, L, E] with their slots [N] filled."""
        written = state.clone()
        written[torch.arange(len(state)), slot] = self.encode(action, reached)
        return written


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """A step of one net; the loss may go through both."""
    optimizer.zero_grad()
    loss.backward(inputs=optimizer.param_groups[0]["params"])
    optimizer.step()


def run(
    accuracies: Sequence[float],
    seed: int,
    budget: int,
    *,
    num_operations: int = 5,
    num_slots: int = 6,
    actor_learning_rate: float = 1e-5,
    critic_learning_rate: float = 1e-4,
) -> PlainRun:
    """One search.

    Args:
      accuracies: of all architectures in [0, 1], slots as digits, the first one highest; the filler
        of a slot that is not filled yet is SKIP.
      seed: also of torch's global generator.
      budget: queries; validations are not counted.
    """
    search = TrlHpo(
        accuracies, seed, num_operations, num_slots, actor_learning_rate, critic_learning_rate
    )
    search.search(budget)
    return PlainRun(search.queries[:budget], search.updates, search.final)
