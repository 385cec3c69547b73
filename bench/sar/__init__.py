"""``make bench-sar``: what the radar detectors find at a stated rate of false objects."""
