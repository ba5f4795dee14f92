"""What is the same experiment? Runs that differ in their seed only, and in what changes no result.

configuration, without seed, data folder, loggers …  ->  mnist-mlp-1f0c6d2a
"""

import hashlib
import json
from typing import Any

from zoo.loggers.base import RunFacts

# settings of the trainer that change what is shown or where it is written, not what comes out
NO_MATTER = {
    "logger", "default_root_dir", "enable_progress_bar", "enable_model_summary", "profiler", "log_every_n_steps",
}  # fmt: skip


def shared_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a run's configuration that all seeds of an experiment share."""
    data = dict(config.get("data") or {})
    data["init_args"] = {
        key: value for key, value in (data.get("init_args") or {}).items() if key not in ("seed", "root")
    }
    trainer = {key: value for key, value in (config.get("trainer") or {}).items() if key not in NO_MATTER}
    return {"trainer": trainer, "data": data, "model": config.get("model")}


def experiment_of(facts: RunFacts) -> str:
    """A name that the seeds of an experiment share, and no other experiment has."""
    text = json.dumps(shared_config(facts.config), sort_keys=True, default=str)
    return f"{facts.data}-{facts.model}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lower()


def run_name(facts: RunFacts) -> str:
    """A name for the run, such as `mnist-mlp-s3`."""
    return f"{facts.data}-{facts.model}-s{facts.seed}".lower()
