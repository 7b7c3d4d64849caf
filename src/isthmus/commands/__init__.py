"""What the operator types after `isthmus`: one module a command, each with `add_arguments` and `run`."""
