"""What is known of models: names, limits, modalities, manners, prices. Pure, offline, and of no configuration."""
