"""What every process that serves has, whatever it serves: settings from its environment, a log, metrics, an end."""
