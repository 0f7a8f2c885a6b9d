"""Files, signals, logs and versions: what Python and the OS lack."""
