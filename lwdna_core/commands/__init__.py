"""What `lwdna COMMAND` does: one module a command, with `add_arguments(parser)` and `run(args) -> exit status`."""
