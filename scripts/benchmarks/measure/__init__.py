"""How it is measured: processes, rounds and their intervals, the noise of the machine, its limits, the environment."""
