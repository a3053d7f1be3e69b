"""Every setting, a file a stage. Nothing heavy is imported here, so that --help answers at once."""
