"""Train the calibrated classifier."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import SplineTransformer

import usecases
from usecases.classical import model

if TYPE_CHECKING:
    from usecases.declaration import Declaration

__all__ = ["Parameters", "fit", "run"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a training run may vary.

    Parameters
    ----------
    seed
        Feeds `shuffle_labels`; the estimator itself is deterministic.
    knots, regularization
        Spline knots per feature, and the inverse strength of the L2 penalty.
    drop_feature
        Leave this feature out: a worse model on demand, to see the gate refuse one.
    shuffle_labels
        Share of the labels, from 0 to 1, to permute among themselves, in training and calibration rows:
        likewise, and what a join gone wrong does.
    """

    seed: int = 20
    knots: int = 7
    regularization: float = 0.1
    drop_feature: str | None = None
    shuffle_labels: float = 0.0

    @classmethod
    def from_options(cls, seed: int, options: list[str]) -> Parameters:
        """Read command-line options such as ``["--knots", "7"]``."""
        parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
        parser.add_argument("--knots", type=int)
        parser.add_argument("--regularization", type=float)
        parser.add_argument("--drop-feature")
        parser.add_argument("--shuffle-labels", type=float)
        return cls(seed=seed, **vars(parser.parse_args(options)))


def run(
    training: Path, declaration: Declaration, parameters: Parameters, environment: str, output: Path
) -> dict[str, float]:
    """Train, save the model folder, and return metrics of the training and the calibration block.

    Parameters
    ----------
    training
        Folder with ``train.parquet``, ``calibration.parquet`` and ``manifest.json``.
    declaration
        The use case.
    parameters
        What to vary.
    environment
        Name and version of the image that this runs in, for the lineage.
    output
        The model folder to write; whatever is there is replaced file by file.
    """
    train = pd.read_parquet(training / "train.parquet")
    calibration = pd.read_parquet(training / "calibration.parquet")
    manifest = json.loads((training / "manifest.json").read_text(encoding="utf-8"))
    features = [name for name in declaration.contract.features if name != parameters.drop_feature]
    if parameters.drop_feature and len(features) == len(declaration.contract.features):
        raise ValueError(f"drop_feature {parameters.drop_feature!r} is not a feature: {', '.join(features)}")

    estimator = fit(train, calibration, features, declaration.target, parameters)
    metadata = {
        "usecase": declaration.name,
        "threshold": declaration.threshold,
        "inputs": [
            column
            for column in declaration.contract.inputs()
            if column["role"] != "feature" or column["name"] in features
        ],
        "parameters": asdict(parameters),
        "lineage": {
            "data_sha256": manifest["data_sha256"],
            "code_sha256": model.folder_digest(Path(usecases.__file__).parent),
            "environment": environment,
        },
    }
    model.save(estimator, output, example=train[features].head(50), metadata=metadata)
    metrics = {}
    for name, block in (("train", train), ("calibration", calibration)):
        probability = estimator.predict_proba(block[features])[:, 1]
        target = block[declaration.target]
        metrics[f"{name}_log_loss"] = float(log_loss(target, probability, labels=[0, 1]))
        metrics[f"{name}_roc_auc"] = float(roc_auc_score(target, probability))
    return metrics


def fit(
    train: pd.DataFrame, calibration: pd.DataFrame, features: list[str], target: str, parameters: Parameters
) -> Any:
    """Fit splines and a penalised logistic regression, then calibrate on rows it has not seen."""
    train_labels, calibration_labels = (
        _shuffled(block[target].to_numpy(), parameters.shuffle_labels, parameters.seed)
        for block in (train, calibration)
    )
    estimator = Pipeline(
        [
            # Constant beyond the training range: an unseen plan gets the nearest known one's effect.
            ("splines", SplineTransformer(n_knots=parameters.knots, extrapolation="constant")),
            ("classifier", LogisticRegression(C=parameters.regularization, max_iter=5000)),
        ]
    ).fit(train[features], train_labels)
    calibrated = CalibratedClassifierCV(FrozenEstimator(estimator), method="sigmoid")
    return calibrated.fit(calibration[features], calibration_labels)


def _shuffled(labels: np.ndarray[Any, Any], share: float, seed: int) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(labels))[: round(share * len(labels))]
    result = labels.copy()
    result[chosen] = labels[generator.permutation(chosen)]
    return result
