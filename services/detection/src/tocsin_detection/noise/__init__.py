"""What holds alerts back: silences, maintenance windows, inhibitions, flapping, thresholds, storms."""
