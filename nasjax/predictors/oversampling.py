"""Over-sampling of rare contexts by SMOTE (Chawla et al., 2002), as AUTOCoMET does (IV.A).

A new row is interpolated between a row and one of its nearest neighbours in the same context: its
inputs, and with them the logarithm of its cost.
"""

import numpy as np

from nasjax.errors import UserError
from nasjax.predictors import scaling

_NEIGHBOURS = 5


def oversample(
    seed: int, inputs: np.ndarray, values: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and values with as many rows in every group as in the largest group.

    Args:
      inputs: [R, F]; values: [R], above 0.
      groups: [R] integers, the contexts. A single row has no neighbours and stays as it is.

    Raises:
      UserError: imbalanced-learn is not installed.
    """
    names, counts = np.unique(groups, return_counts=True)
    names, counts = names[counts > 1], counts[counts > 1]
    kept = np.isin(groups, names)
    if len(names) < 2:
        return inputs, values
    try:
        from imblearn.over_sampling import SMOTE
    except ImportError as error:
        raise UserError(
            "over-sampling needs imbalanced-learn, which is not installed; "
            "pip install 'nasjax[predictors]'"
        ) from error
    sampler = SMOTE(
        sampling_strategy=dict.fromkeys(names.tolist(), int(counts.max())),
        k_neighbors=int(min(_NEIGHBOURS, counts.min() - 1)),
        random_state=seed,
    )
    center, scale = scaling.center_and_scale(inputs)
    rows = np.column_stack([np.asarray(scaling.apply(inputs, center, scale)), np.log(values)])
    found, found_groups = sampler.fit_resample(rows[kept], groups[kept])
    features = found[:, :-1] * scale + center
    features[: kept.sum()] = inputs[kept]
    for name in names:  # features that are missing in a context stay missing
        missing = np.isnan(inputs[groups == name]).any(0)
        features[np.ix_(found_groups == name, missing)] = np.nan
    return (
        np.concatenate([features, inputs[~kept]]).astype(np.float32),
        np.concatenate([np.exp(found[:, -1]), values[~kept]]),
    )
