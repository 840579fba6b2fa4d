"""AUTOCoMET's update in plain NumPy, float64, gradients by hand: the reference of the tests.

Written from the equations alone. An episode builds prefixes p_1 .. p_L, and Q(p_l) stands for
Q(s, a) of the action that leads to p_l, Phi_i(p_l) likewise:

    values   v_l of the component after l layers; earned r_l: "value" v_l, "gain" v_l - v_(l-1) with
             v_0 = 0, "final" v_L for l = L and 0 before
    Q        y_l = r_l + gamma max of Q(p_l + a) over the a that slot l + 1 may hold    (l < L)
             y_L = r_L
             with "value" shaping: + sum_i epsilon_i Phi_i(p_l)
    Phi_i    y_l = r_l + gamma Phi_i(p_(l+1)), y_L = r_L, with the rewards of component i
    loss     mean over episodes and layers of (net - y)^2, y held fixed; one step of Adam

A net is hidden_0 (relu), hidden_1 (relu), head on the features of the prefix, standardised, and a
one at the number of its layers. With x_0 the input and x_(i+1) = relu(x_i W_i + b_i),

    d loss / d net = 2 (net - y) / N;    d / d W_i = x_i^T g_i;    d / d b_i = sum g_i
    g_(i-1) = (g_i W_i^T) where x_i > 0
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = dict[str, dict[str, Array]]  # layer -> {"kernel": [in, out], "bias": [out]}

LAYERS = ("hidden_0", "hidden_1", "head")
B1, B2, TINY = 0.9, 0.999, 1e-8  # Kingma and Ba, 2015


class Adam(NamedTuple):
    """First and second moments, steps made."""

    first: Params
    second: Params
    steps: int


def forward(params: Params, x: Array) -> list[Array]:
    """Inputs of every layer, and the value [N] as the last one."""
    inputs = [x]
    for name in LAYERS:
        x = x @ params[name]["kernel"] + params[name]["bias"]
        x = x if name == "head" else np.maximum(x, 0)
        inputs.append(x)
    inputs[-1] = inputs[-1][:, 0]
    return inputs


def value(params: Params, x: Array) -> Array:
    """[N, features] -> [N]."""
    return forward(params, x)[-1]


def gradient(params: Params, x: Array, targets: Array) -> tuple[float, Params]:
    """The loss and its gradient: [N, features] drawn to targets [N]."""
    *inputs, found = forward(params, x)
    back = (2 * (found - targets) / len(targets))[:, None]
    gradients = {}
    for name, read in reversed(list(zip(LAYERS, inputs, strict=True))):
        gradients[name] = {"kernel": read.T @ back, "bias": back.sum(0)}
        back = (back @ params[name]["kernel"].T) * (read > 0)
    return float(np.mean((found - targets) ** 2)), gradients


def each(fn, *trees: Params) -> Params:
    """The function on every array."""
    return {n: {k: fn(*(tree[n][k] for tree in trees)) for k in trees[0][n]} for n in trees[0]}


def at_rest(params: Params) -> Adam:
    """Before the first step."""
    return Adam(each(np.zeros_like, params), each(np.zeros_like, params), 0)


def adam_step(params: Params, found: Params, adam: Adam, rate: float) -> tuple[Params, Adam]:
    """Kingma and Ba, Algorithm 1."""
    steps = adam.steps + 1
    first = each(lambda m, g: B1 * m + (1 - B1) * g, adam.first, found)
    second = each(lambda v, g: B2 * v + (1 - B2) * g**2, adam.second, found)

    def moved(w: Array, m: Array, v: Array) -> Array:
        return w - rate * (m / (1 - B1**steps)) / (np.sqrt(v / (1 - B2**steps)) + TINY)

    return each(moved, params, first, second), Adam(first, second, steps)


def credited(values: Array, credit: str) -> Array:
    """[..., L] of the prefixes -> what every layer earns."""
    earned = np.zeros_like(values)
    for layer in range(values.shape[-1]):
        last = layer == values.shape[-1] - 1
        if credit == "value" or (credit == "final" and last):
            earned[..., layer] = values[..., layer]
        if credit == "gain":
            earned[..., layer] = values[..., layer] - (values[..., layer - 1] if layer else 0)
    return earned


def rank(value_: float, among: list[float]) -> float:
    """The share of `among` that is smaller, equal ones counted half."""
    return sum(1.0 if other < value_ else 0.5 if other == value_ else 0.0 for other in among) / len(
        among
    )


class Settings(NamedTuple):
    """As in the config; `episodes` is C of the schedules."""

    credit: str
    scale: str
    shaping: str
    schedule: str
    epsilon: tuple[float, ...]
    threshold: float
    episodes: int
    discount: float
    learning_rate: float
    potential_learning_rate: float
    allowed: float
    limited: int | None  # which secondary has the target


class Episode(NamedTuple):
    """An architecture (operations from 0), components [L] and [S, L] of its prefixes."""

    built: tuple[int, ...]
    primary: Array
    secondary: Array


class Reference:
    """Learns from episodes as the controller should.

    features: prefix -> what a net reads. choices: [L] of what each slot may hold.
    """

    def __init__(self, settings: Settings, features: dict, choices: list, q: Params, phi: list):
        self.settings, self.features, self.choices = settings, features, choices
        self.q, self.phi = q, phi
        self.q_adam, self.phi_adam = at_rest(q), [at_rest(params) for params in phi]
        self.epsilon = list(settings.epsilon)
        self.kept: list[Episode] = []
        self.last: float | None = None
        self.losses: list[float] = []

    def regulate(self, new: list[Episode]) -> None:
        """Every epsilon by every candidate in turn (pies and regulated: by every episode)."""
        s = self.settings
        for episode in new:
            evaluated = episode.primary[-1:] if s.credit == "final" else episode.primary
            before = evaluated[0] if self.last is None else self.last
            total = evaluated[-1] - before
            if s.schedule == "equation_3_episode":
                before = 0.0
            for i, start in enumerate(s.epsilon):
                e, previous = self.epsilon[i], before
                if s.schedule == "pies":
                    e = e - start / s.episodes
                    e = e if e > s.threshold else 0.0
                if s.schedule == "regulated":
                    e = e * np.exp(total - 5 / s.episodes) if e > s.threshold else 0.0
                if s.schedule == "dual" and i == s.limited:
                    e = e * np.exp(0.1 * ((episode.secondary[i][-1] < 0) - s.allowed))
                if s.schedule.startswith("equation_3"):
                    for accuracy in evaluated:
                        e = e * np.exp(accuracy - previous) if e > s.threshold else 0.0
                        previous = accuracy
                self.epsilon[i] = float(e)
            self.last = float(evaluated[-1])

    def scaled(self, primary: Array) -> Array:
        """[L]: raw, or ranks among all prefixes (or architectures) so far."""
        if self.settings.scale == "raw":
            return primary
        if self.settings.credit == "final":
            among = [float(episode.primary[-1]) for episode in self.kept]
        else:
            among = [float(v) for episode in self.kept for v in episode.primary]
        return np.array([rank(float(v), among) for v in primary])

    def best_after(self, prefix: tuple[int, ...]) -> float:
        """max over what the next slot may hold of Q; 0 after a whole architecture."""
        if len(prefix) == len(self.choices):
            return 0.0
        ahead = np.stack([self.features[(*prefix, a)] for a in self.choices[len(prefix)]])
        return float(value(self.q, ahead).max())

    def learn(self, episodes: list[Episode]) -> None:
        """One gradient step of every net."""
        s, layers = self.settings, len(self.choices)
        prefixes = [e.built[: n + 1] for e in episodes for n in range(layers)]
        x = np.stack([self.features[prefix] for prefix in prefixes])
        earned = np.stack([credited(self.scaled(e.primary), s.credit) for e in episodes])
        targets = earned.reshape(-1) + s.discount * np.array([*map(self.best_after, prefixes)])
        steps = []
        for i, params in enumerate(self.phi):
            now = value(params, x).reshape(-1, layers)
            if s.shaping == "value":
                targets = targets + self.epsilon[i] * now.reshape(-1)
            later = np.concatenate([now[:, 1:], np.zeros((len(now), 1))], axis=1)
            rewards = np.stack([credited(e.secondary[i], s.credit) for e in episodes])
            steps.append(gradient(params, x, (rewards + s.discount * later).reshape(-1)))
        q_loss, q_gradient = gradient(self.q, x, targets)
        self.q, self.q_adam = adam_step(self.q, q_gradient, self.q_adam, s.learning_rate)
        for i, (_, found) in enumerate(steps):
            rate = s.potential_learning_rate
            self.phi[i], self.phi_adam[i] = adam_step(self.phi[i], found, self.phi_adam[i], rate)
        self.losses = [q_loss, *(loss for loss, _ in steps)]

    def update(self, new: list[Episode], drawn: list[list[int]] | None) -> None:
        """After a round; `drawn`: for every step, which of all episodes (None: the new ones)."""
        self.kept += new
        self.regulate(new)
        for rows in drawn or [None]:
            self.learn(new if rows is None else [self.kept[row] for row in rows])
