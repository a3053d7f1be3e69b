"""How every script talks to its user: flags, progress, errors in one sentence, exit codes."""
